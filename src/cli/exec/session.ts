import type { OpenAnswer } from "../../client/engine-client.ts";
import { Demultiplexer } from "./demultiplex.ts";
import { DetachFilter } from "./detach-keys.ts";

export interface Session {
  /** The upgraded connection. */
  readonly connection: OpenAnswer;
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

async function receive({ connection, multiplexed, stdout, stderr }: Session): Promise<void> {
  const frames = multiplexed ? new Demultiplexer() : undefined;
  for await (const chunk of connection.pieces()) {
    // the buffer is ours alone, so pieces need no copy
    for (const { kind, bytes } of frames?.push(chunk) ?? [{ kind: 1, bytes: chunk }]) {
      if (kind === 3) throw new Error(`error from daemon in stream: ${Buffer.from(bytes).toString()}`);
      const out = kind === 1 ? stdout : stderr;
      if (out !== undefined && !out.write(bytes)) await new Promise<void>((resume) => out.once("drain", resume));
    }
  }
}

async function send({ connection, stdin, detachKeys }: Session, detached: () => void): Promise<void> {
  const filter = detachKeys === undefined ? undefined : new DetachFilter(detachKeys);
  try {
    for await (const chunk of stdin ?? []) {
      const found = filter?.push(chunk);
      const bytes = found?.pass ?? chunk;
      if (bytes.length > 0) await connection.write(bytes);
      if (found?.detached === true) return detached();
    }
  } catch {
    // our own input broke, or the container is gone: either way nothing more is sent
  }
  // half-close: the container reads end of file, its output still comes
  connection.end();
}
