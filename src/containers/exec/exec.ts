import { mkdir, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Duplex, Duplex as DuplexStream } from "node:stream";
import { EngineError, errorMessage } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { newId } from "../../base/id.ts";
import type { ExitEvent } from "../../monitor/protocol.ts";
import { type Caller, engineCaller } from "../../spec/caller.ts";
import type { Container } from "../container.ts";
import type { ExecRequest } from "../containers.ts";
import type { ContainerDeps } from "../deps.ts";
import { publish } from "../events.ts";
import { execProcess } from "../start/process.ts";
import { resolveUser } from "../oci/user.ts";
import { startExitCode } from "../start/start.ts";
import { frame } from "../frames.ts";
import type { Execs } from "./execs.ts";

export interface ExecDeps extends ContainerDeps {
  readonly execs: Execs;
}

/** Makes an exec for a running container. The user is looked up at once (moby parity: 400). Gives its id. */
export function createExec(deps: ExecDeps, ref: string, request: ExecRequest, caller: Caller): string {
  const container = deps.records.get(ref);
  checkRunning(container);
  if (request.args.length === 0) throw new EngineError("invalid", "No exec command specified");
  // numbers need no look-up, and the start finds their groups
  if (request.user !== "" && !/^\d+(:\d+)?$/.test(request.user))
    resolveUser(container.paths.rootfs, { user: request.user, groups: [] });
  const id = newId();
  deps.execs.add(id, container.id, request);
  publish(deps.events, container, `exec_create: ${request.args.join(" ")}`, caller, { execID: id });
  return id;
}

function checkRunning({ id, state }: Container): void {
  if (state.status === "paused")
    throw new EngineError("conflict", `container ${id} is paused, unpause the container before exec`, { id });
  if (state.status === "restarting")
    throw new EngineError("conflict", `Container ${id} is restarting, wait until the container is running`, { id });
  if (state.status !== "running") throw new EngineError("conflict", `container ${id} is not running`, { id });
}

export interface ExecStartOptions {
  readonly caller: Caller;
  readonly detach: boolean;
  readonly tty: boolean;
  readonly size?: { rows: number; columns: number };
}

/**
 * Runs an exec, once. Detached it resolves when the process runs; else with its streams, which carry the error text
 * of a start that failed (engine-api.md 0.3: never a 409 for an attached start).
 */
export async function startExec(
  deps: ExecDeps,
  execId: string,
  options: ExecStartOptions,
): Promise<Duplex | undefined> {
  const exec = deps.execs.get(execId);
  const container = deps.records.get(exec.containerId);
  checkRunning(container);
  if (options.detach) {
    deps.execs.begin(execId);
    await launch(deps, container, execId, { ...options, processFile: writeProcess(deps, container, execId) });
    return undefined;
  }
  try {
    deps.execs.begin(execId);
  } catch (error) {
    return textStream(errorMessage(error), exec.request.tty);
  }
  const { request } = exec;
  fault("exec.after-begin");
  // side by side with the streams: both are short and neither needs the other
  const processFile = writeProcess(deps, container, execId);
  processFile.catch(() => undefined); // looked at by launch
  const streaming = deps.monitor.stream({
    id: container.id,
    execId,
    stdin: request.attachStdin,
    stdout: request.attachStdout,
    stderr: request.attachStderr,
    framing: request.tty ? "raw" : "multiplexed",
  });
  const stream = await streaming.catch((error: unknown) => {
    deps.execs.exited(execId, exitCodeOf(errorMessage(error))); // begun once, it does not begin again
    throw error;
  });
  try {
    await launch(deps, container, execId, { ...options, processFile });
    return stream;
  } catch (error) {
    stream.destroy();
    return textStream(errorMessage(error), request.tty);
  }
}

const processPath = (container: Container, execId: string): string =>
  join(container.paths.bundle, "exec", `${execId.slice(0, 16)}.json`);

/** Writes what the runtime shall run. Gives the file. */
async function writeProcess(deps: ExecDeps, container: Container, execId: string): Promise<string> {
  const path = processPath(container, execId);
  // Not the bundle itself: a container that ends at this moment must not get its folder back.
  await mkdir(dirname(path), { mode: 0o700 }).catch(ignoreExisting);
  const process = await execProcess(deps, container, deps.execs.get(execId).request);
  await writeFile(path, JSON.stringify(process), { mode: 0o600 });
  return path;
}

async function launch(
  deps: ExecDeps,
  container: Container,
  execId: string,
  options: Pick<ExecStartOptions, "caller" | "size"> & { readonly processFile: Promise<string> },
): Promise<void> {
  const { request } = deps.execs.get(execId);
  const command = request.args.join(" ");
  publish(deps.events, container, `exec_start: ${command}`, options.caller, { execID: execId });
  try {
    const processFile = await options.processFile;
    fault("exec.after-file");
    const { pid } = await deps.monitor.exec({
      id: container.id,
      execId,
      runtime: deps.runtimes.get(container.plan.runtime).choice,
      processFile,
      tty: request.tty,
      stdin: request.attachStdin,
      stdout: request.attachStdout,
      stderr: request.attachStderr,
      size: options.size ?? request.size ?? null,
    });
    fault("exec.after-runtime");
    deps.execs.running(execId, pid);
  } catch (error) {
    const message = execError(errorMessage(error));
    deps.execs.exited(execId, exitCodeOf(message));
    throw new EngineError(
      error instanceof EngineError ? error.kind : "internal",
      message,
      { execId },
      { cause: error },
    );
  } finally {
    // The runtime has read it; beside the exec, never in its way.
    unlink(processPath(container, execId)).catch((error: unknown) =>
      deps.settings.log("debug", "process file of an exec not removed", { execId, error: errorMessage(error) }),
    );
  }
}

function ignoreExisting(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
}

/** 127 for a program that is not there; whatever else keeps an exec from its start is 126 (moby parity). */
const exitCodeOf = (message: string): number => (startExitCode(message) === 127 ? 127 : 126);

/** Docker names the step in front of the runtime's text. */
const execError = (text: string): string =>
  text.startsWith("OCI runtime exec failed")
    ? text
    : `OCI runtime exec failed: exec failed: ${text.replace(/^.*OCI runtime (?:exec|create) failed: /, "")}`;

/** A stream that says one line and ends. */
function textStream(text: string, tty: boolean): Duplex {
  const line = Buffer.from(`${text}\r\n`);
  return DuplexStream.from([tty ? line : frame("stdout", line)]);
}

/** An exec's process ended. */
export function execExited(deps: ExecDeps, event: ExitEvent & { execId: string }): void {
  fault("exec.after-exit");
  if (deps.execs.exited(event.execId, event.exitCode)) {
    const container = deps.records.find(event.id);
    if (container)
      publish(deps.events, container, "exec_die", engineCaller, {
        execID: event.execId,
        exitCode: String(event.exitCode),
      });
  }
  deps.monitor.acknowledge(event.id, event.run, event.execId).catch((error: unknown) =>
    deps.settings.log("warn", "exit of an exec not acknowledged", {
      execId: event.execId,
      error: errorMessage(error),
    }),
  );
}
