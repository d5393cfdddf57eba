import { AsyncQueue } from "../../base/async-queue.ts";
import { EngineError } from "../../base/errors.ts";
import { FileSend } from "../../spec/buildkit/session-files.gen.ts";
import type { Session } from "./session.ts";

/** One message: gRPC's own limit is 4 MiB at the client. */
const pieceBytes = 1024 * 1024;

/** Bytes on their way to a file of the client's. */
export interface ByteSend {
  /** Resolves when the client can take more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Everything was written: resolves when the client has it. */
  end(): Promise<void>;
  /** The build failed. Idempotent. */
  cancel(): void;
}

/** Sends one file (an archive) to the exporter `exporterId` of the client: moby.filesync.v1.FileSend/DiffCopy. */
export function sendBytes(session: Session, options: { exporterId: string; signal: AbortSignal }): ByteSend {
  if (!session.has("/moby.filesync.v1.FileSend/DiffCopy"))
    throw new EngineError("invalid", "the build's client takes no files: it named no place for the result");
  const queue = new AsyncQueue<{ data: Uint8Array }>();
  const stop = new AbortController();
  const answers = session.client(FileSend).diffCopy(queue, {
    headers: { "buildkit-attachable-exporter-id": options.exporterId },
    signal: AbortSignal.any([options.signal, stop.signal]),
  });
  const done = (async () => {
    for await (const _ of answers); // the client says nothing but that it has ended
  })();
  done.catch(() => {}); // told by write or end
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length; at += pieceBytes)
        await Promise.race([queue.push({ data: Uint8Array.from(bytes.subarray(at, at + pieceBytes)) }), failure(done)]);
    },
    async end() {
      queue.end();
      await done;
    },
    cancel() {
      queue.end();
      stop.abort();
    },
  };
}

/** Rejects when the work does; else it never settles. */
const failure = (work: Promise<void>): Promise<never> =>
  new Promise((_resolve, reject) => {
    work.catch(reject);
  });
