import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { EngineError, errorMessage } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import type { ExitEvent } from "../../monitor/protocol.ts";
import type { Caller } from "../../spec/caller.ts";
import { initialState } from "../books/state.ts";
import type { Container } from "../container.ts";
import type { CreateRequest } from "../containers.ts";
import { nowNs } from "../../base/clock.ts";
import { normalizeCreate } from "../create/normalize.ts";
import type { ContainerDeps } from "../deps.ts";
import { removeBundle } from "../start/bundle.ts";
import { checkProc } from "../start/check-proc.ts";
import { createProcess, keepFilter, writeBundle } from "../start/process.ts";

/** One process that is run to its end and that no list shows: a step of a build. */
export interface StepRequest {
  /** 64 hex digits, new for each run. */
  readonly id: string;
  readonly request: CreateRequest;
  readonly caller: Caller;
  readonly signal: AbortSignal;
  /** Mounts the root file system at a folder that exists, and unmounts it. */
  mountRoot(target: string): Promise<void>;
  unmountRoot(target: string): Promise<void>;
  output(stream: "stdout" | "stderr", bytes: Uint8Array): void | Promise<void>;
}

/** A process that was killed goes at once, unless it hangs in the kernel. */
const killTimeoutMs = 10_000;

type StepDeps = ContainerDeps & { readonly stepExits: StepExits };

/** Exits of steps, which have no rows. */
export class StepExits {
  readonly #waiting = new Map<string, (event: ExitEvent) => void>();

  /** True when somebody waits for it. */
  take(event: ExitEvent): boolean {
    const resolve = this.#waiting.get(event.id);
    this.#waiting.delete(event.id);
    resolve?.(event);
    return resolve !== undefined;
  }

  wait(id: string): Promise<ExitEvent> {
    const { promise, resolve } = Promise.withResolvers<ExitEvent>();
    this.#waiting.set(id, resolve);
    return promise;
  }

  forget(id: string): void {
    this.#waiting.delete(id);
  }
}

/**
 * Runs the process by the same plan, runtime, monitor and networks as containers. Nothing is left behind, whatever
 * happens; after a crash the daemon's start finds the bundle and the process without a row and removes them.
 */
export async function runStep(deps: StepDeps, step: StepRequest): Promise<{ exitCode: number; oomKilled: boolean }> {
  step.signal.throwIfAborted();
  const container = stepContainer(deps, step);
  const { id, plan, paths } = container;
  const runtime = deps.runtimes.get(plan.runtime);
  await using undo = new AsyncDisposableStack();
  // Each step of the undoing is done whatever becomes of the others.
  const undoBy = (what: string, work: () => Promise<void>): void =>
    undo.defer(() =>
      work().catch((error: unknown) =>
        deps.settings.log("error", `clean-up of a build step: ${what} failed`, { id, error: errorMessage(error) }),
      ),
    );
  undoBy("bundle", () => removeBundle(paths.bundle));
  await mkdir(paths.bundle, { recursive: true, mode: 0o700 });
  await mkdir(paths.rootfs, { recursive: true, mode: 0o755 });
  undoBy("root file system", () => step.unmountRoot(paths.rootfs));
  undoBy("network", () => deps.networks.close(id, { caller: step.caller }));
  const [network, rootfs] = await Promise.allSettled([
    deps.networks.open(
      { ...plan.network, containerId: id, containerName: container.name },
      { caller: step.caller, signal: step.signal },
    ),
    step.mountRoot(paths.rootfs),
  ]);
  if (network.status === "rejected") throw network.reason;
  if (rootfs.status === "rejected") throw rootfs.reason;
  fault("build.step.after-network");
  const sources = new Map(
    plan.mounts.flatMap((mount): [string, string][] => (mount.type === "bind" ? [[mount.target, mount.source]] : [])),
  );
  const { seccomp } = await writeBundle(deps, container, { sandbox: network.value, sources, runtime });
  step.signal.throwIfAborted();
  const exited = deps.stepExits.wait(id);
  undo.defer(() => deps.stepExits.forget(id));
  const stream = await deps.monitor.stream({ id, stdin: false, stdout: true, stderr: true, framing: "multiplexed" });
  undo.defer(() => void stream.destroy());
  const output = readFrames(stream, step.output);
  output.catch(() => {}); // awaited below
  undoBy("runtime", () => runtime.driver.undoCreate(id, paths.bundle));
  undoBy("monitor", () => deps.monitor.discard(id));
  const identity = await deps.monitor.create(createProcess(deps, container));
  void keepFilter(deps, id, runtime, seccomp).catch((error: unknown) =>
    deps.settings.log("warn", "compiled seccomp filter not kept", { id, error: errorMessage(error) }),
  );
  checkProc(identity.pid, plan);
  fault("build.step.after-create");
  await deps.monitor.start(id, container.state.run);
  const exit = await untilExit(deps, container, exited, step.signal);
  await unlessAborted(output, step.signal);
  await deps.monitor.acknowledge(id, exit.run);
  await runtime.driver.delete(id);
  step.signal.throwIfAborted();
  return { exitCode: exit.exitCode, oomKilled: exit.oomKilled };
}

/** Waits for the end; kills the process when the signal fires. */
async function untilExit(
  deps: StepDeps,
  { id, plan }: Container,
  exited: Promise<ExitEvent>,
  signal: AbortSignal,
): Promise<ExitEvent> {
  const cancelled = Promise.withResolvers<"cancelled">();
  const onAbort = (): void => cancelled.resolve("cancelled");
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const first = await Promise.race([exited, cancelled.promise]);
    if (first !== "cancelled") return first;
    try {
      await deps.runtimes.get(plan.runtime).driver.kill(id, 9);
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind !== "not-found") throw error; // it has just ended
    }
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new EngineError("internal", "the step's process did not end after SIGKILL", { id })),
      killTimeoutMs,
    );
    try {
      return await Promise.race([exited, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Waits for the work; when the signal has fired its end is not waited for: its reader may be waiting for us. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  const onAbort = (): void => aborted.resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function stepContainer(deps: ContainerDeps, { id, request, caller }: StepRequest): Container {
  const name = `build-${id.slice(0, 12)}`;
  const { plan, request: merged } = normalizeCreate(
    { ...request, HostConfig: { ...request.HostConfig, LogConfig: { Type: "none" }, Init: false } },
    {
      id,
      name,
      image: null,
      platform: "",
      defaults: deps.settings.defaults(),
      containers: (ref) => deps.records.get(ref),
    },
  );
  const bundle = join(deps.settings.execRoot, "c", id);
  return {
    id,
    name,
    createdAtNs: nowNs(),
    owner: caller,
    imageId: "",
    chainIds: [],
    imageReference: "",
    plan,
    request: merged,
    mounts: [],
    state: { ...initialState, run: 1 },
    execIds: [],
    paths: {
      folder: bundle,
      hosts: join(bundle, "hosts"),
      hostname: join(bundle, "hostname"),
      resolv: join(bundle, "resolv.conf"),
      log: "",
      rootfs: join(bundle, "rootfs"),
      bundle,
    },
  };
}

/** Takes Docker's frames apart as they come; a frame may come in pieces. */
async function readFrames(stream: Duplex, output: StepRequest["output"]): Promise<void> {
  let head = Buffer.alloc(0);
  let left = 0;
  let kind: "stdout" | "stderr" = "stdout";
  for await (const piece of stream as AsyncIterable<Buffer>) {
    for (let chunk = piece; chunk.length > 0;) {
      if (left === 0) {
        const bytes = Buffer.concat([head, chunk]);
        if (bytes.length < 8) {
          head = bytes;
          break;
        }
        kind = bytes[0] === 2 ? "stderr" : "stdout";
        left = bytes.readUInt32BE(4);
        chunk = bytes.subarray(8);
        head = Buffer.alloc(0);
        continue;
      }
      const part = chunk.subarray(0, left);
      left -= part.length;
      chunk = chunk.subarray(part.length);
      await output(kind, part);
    }
  }
}
