import type { Duplex } from "node:stream";
import { Demultiplexer } from "./demultiplex.ts";
import { DetachFilter } from "./detach-keys.ts";

export interface Session {
  /** The upgraded connection. */
  readonly stream: Duplex;
  readonly multiplexed: boolean;
  /** Absent: nothing is sent and our side is closed at once. */
  readonly stdin: AsyncIterable<Uint8Array> | undefined;
  readonly stdout: NodeJS.WriteStream | undefined;
  readonly stderr: NodeJS.WriteStream | undefined;
  /** Looked for in stdin of a terminal session. */
  readonly detachKeys: readonly number[] | undefined;
}

/** Moves bytes both ways until the container's output ends, or the user detaches. Both ways wait for slow readers. */
export function pump(session: Session): Promise<"ended" | "detached"> {
  const { promise, resolve, reject } = Promise.withResolvers<"ended" | "detached">();
  receive(session).then(() => resolve("ended"), reject);
  void send(session, () => resolve("detached"));
  return promise;
}

function receive({ stream, multiplexed, stdout, stderr }: Session): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const frames = multiplexed ? new Demultiplexer() : undefined;
  const full = new Set<NodeJS.WriteStream>();
  const write = (out: NodeJS.WriteStream | undefined, bytes: Uint8Array): void => {
    if (out === undefined || out.write(bytes) || full.has(out)) return;
    full.add(out);
    stream.pause();
    out.once("drain", () => {
      full.delete(out);
      if (full.size === 0) stream.resume();
    });
  };
  stream.on("data", (chunk: Uint8Array) => {
    if (frames === undefined) return write(stdout, chunk);
    try {
      for (const { kind, bytes } of frames.push(chunk)) {
        if (kind === 3) throw new Error(`error from daemon in stream: ${Buffer.from(bytes).toString()}`);
        // the buffer is ours alone from here on, so pieces need no copy
        write(kind === 1 ? stdout : stderr, bytes);
      }
    } catch (error) {
      reject(error);
    }
  });
  stream.on("end", resolve);
  stream.on("close", resolve);
  stream.on("error", (error: Error) =>
    "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE") ? resolve() : reject(error),
  );
  return promise;
}

async function send({ stream, stdin, detachKeys }: Session, detached: () => void): Promise<void> {
  const filter = detachKeys === undefined ? undefined : new DetachFilter(detachKeys);
  try {
    for await (const chunk of stdin ?? []) {
      const found = filter?.push(chunk);
      const bytes = found?.pass ?? chunk;
      if (stream.destroyed) return;
      if (bytes.length > 0 && !stream.write(bytes)) await new Promise<void>((resume) => stream.once("drain", resume));
      if (found?.detached === true) return detached();
    }
  } catch {
    // our own input broke: for the container that is its end
  }
  // half-close: the container reads end of file, its output still comes
  stream.end();
}
