import { timerMs } from "../../base/timer.ts";
import { nowNs } from "../../base/clock.ts";
import { errorMessage } from "../../base/errors.ts";
import { engineCaller } from "../../spec/caller.ts";
import type { Container, HealthResult } from "../container.ts";
import type { ExecRequest } from "../containers.ts";
import { createExec, type ExecDeps, startExec } from "../exec/exec.ts";
import type { HealthPlan } from "../plan.ts";

/** Docker keeps this much of a probe's output. */
const maxOutputBytes = 4096;

/** Runs one health probe in the container, as an exec with its events (moby parity). Never rejects. */
export async function probe(deps: ExecDeps, container: Container, health: HealthPlan): Promise<HealthResult> {
  const startNs = nowNs();
  try {
    const execId = createExec(deps, container.id, probeRequest(container, health), engineCaller);
    const stream = await startExec(deps, execId, { caller: engineCaller, detach: false, tty: false });
    const chunks: Buffer[] = [];
    let kept = 0;
    stream?.on("data", (chunk: Buffer) => {
      if (kept < maxOutputBytes) chunks.push(chunk);
      kept += chunk.length;
    });
    stream?.on("error", () => undefined); // the exit tells what there is to tell
    stream?.end();
    const exitCode = await withTimeout(deps.execs.ended(execId), Number(health.timeoutNs / 1_000_000));
    if (exitCode === undefined) {
      killProbe(deps, execId);
      stream?.destroy();
      return {
        startNs,
        endNs: nowNs(),
        exitCode: -1,
        output: `Health check exceeded timeout (${health.timeoutNs / 1e9}s)`,
      };
    }
    return {
      startNs,
      endNs: nowNs(),
      exitCode,
      output: payloads(Buffer.concat(chunks)).subarray(0, maxOutputBytes).toString("utf8"),
    };
  } catch (error) {
    return { startNs, endNs: nowNs(), exitCode: -1, output: errorMessage(error) };
  }
}

function probeRequest(container: Container, health: HealthPlan): ExecRequest {
  const [kind, ...words] = health.test;
  const shell = container.request.config.Shell ?? ["/bin/sh", "-c"];
  const args = kind === "CMD-SHELL" ? [...shell, words.join(" ")] : words;
  return {
    args,
    env: [],
    user: "",
    workingDir: "",
    tty: false,
    privileged: false,
    attachStdin: false,
    attachStdout: true,
    attachStderr: true,
    detachKeys: "",
  };
}

function killProbe(deps: ExecDeps, execId: string): void {
  const { pid, running } = deps.execs.get(execId);
  if (!running || pid <= 1) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // ESRCH: it ended at the last moment.
    deps.settings.log("debug", "a health probe over its time was gone already", { execId, error: errorMessage(error) });
  }
}

async function withTimeout(ended: Promise<number>, timeoutMs: number): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), timerMs(timeoutMs));
  try {
    return await Promise.race([ended, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The payloads of a run of stream frames; a last frame that is cut is kept as far as it goes. */
function payloads(frames: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= frames.length;) {
    const length = frames.readUInt32BE(at + 4);
    parts.push(frames.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts);
}
