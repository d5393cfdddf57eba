import { type Duplex, PassThrough, Readable, Writable } from "node:stream";
import { EngineError } from "../base/errors.ts";
import { joinDuplex } from "../base/join-duplex.ts";
import type { AttachOptions } from "./containers.ts";
import type { ContainerDeps } from "./deps.ts";
import { publish } from "./events.ts";
import { frame } from "./frames.ts";
import { readLogs } from "./logs.ts";

/**
 * Live streams of a container: frames, or raw bytes with a TTY. Allowed before the start: the next run is attached.
 * With `logs` the log comes first.
 */
export async function attachContainer(deps: ContainerDeps, ref: string, options: AttachOptions): Promise<Duplex> {
  const container = deps.records.get(ref);
  const { id, plan, state } = container;
  if (state.status === "paused")
    throw new EngineError("conflict", `container ${id} is paused, unpause the container before attach`, { id });
  if (state.status === "restarting")
    throw new EngineError("conflict", `container ${id} is restarting, wait until the container is running`, { id });
  publish(deps.events, container, "attach", options.caller);
  const { tty } = plan.process;
  const live = options.stream
    ? await deps.monitor.stream({
        id,
        stdin: options.stdin && plan.process.openStdin,
        stdout: options.stdout,
        stderr: options.stderr,
        framing: tty ? "raw" : "multiplexed",
      })
    : undefined;
  if (!options.logs) return live ?? joinDuplex(Readable.from([]), nowhere());
  const replay = readLogs(deps, ref, {
    stdout: options.stdout,
    stderr: options.stderr,
    sinceNs: 0n,
    untilNs: 0n,
    tail: "all",
    follow: false,
  });
  const output = new PassThrough();
  pour(output, replay, live, tty).catch((error: unknown) =>
    output.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return joinDuplex(output, live ?? nowhere());
}

const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });

async function pour(
  output: PassThrough,
  replay: ReturnType<typeof readLogs>,
  live: Readable | undefined,
  tty: boolean,
): Promise<void> {
  for await (const batch of replay) {
    for (const record of batch) {
      const bytes = tty ? record.line : frame(record.stream, record.line);
      if (output.destroyed) return; // the client has left: nobody would ever drain it
      if (!output.write(bytes))
        await new Promise<void>((resolve) => void output.once("drain", resolve).once("close", resolve));
    }
  }
  if (live) live.pipe(output);
  else output.end();
}
