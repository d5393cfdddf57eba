import { create } from "@bufbuild/protobuf";
import { AsyncQueue } from "../../base/async-queue.ts";
import { EngineError } from "../../base/errors.ts";
import { type Packet, PacketSchema, type Stat } from "../../spec/buildkit/files.gen.ts";
import { FileSync } from "../../spec/buildkit/session-files.gen.ts";
import type { Session } from "./session.ts";
import { setRepeated } from "./session-http.ts";

/** Which files of a client's folder. Patterns are those of .dockerignore. */
export interface FileSelection {
  /** `context`, `dockerfile`, or the name of another folder that the client offers. */
  readonly folder: string;
  /** Only these, and where their links lead. */
  readonly followPaths?: readonly string[];
  readonly includePatterns?: readonly string[];
  readonly excludePatterns?: readonly string[];
}

/** Takes one file's bytes. */
export interface FileSink {
  write(bytes: Uint8Array): Promise<void> | void;
  end(): Promise<void> | void;
}

/** What becomes of the entries. Paths are the client's words: whoever stores them resolves them safely. */
export interface FileReceiver {
  /** Called for every entry, folders before what is in them. Gives a sink for a regular file whose bytes are wanted. */
  entry(stat: Stat): Promise<FileSink | undefined> | FileSink | undefined;
}

/** Kinds of packets. */
export const packetKind = { stat: 0, request: 1, data: 2, end: 3, error: 4 };
/** A folder of more than this many entries is a mistake (a root folder as context), not a context. */
const maxEntries = 5_000_000;

/**
 * Reads files of the client's machine: moby.filesync.v1.FileSync/DiffCopy. The client lists its folder in one sorted
 * stream; what is wanted is asked for by position and comes in pieces, of several files at once. Throws `invalid` with
 * the client's own words when it cannot read its folder.
 */
export async function pullFiles(
  session: Session,
  selection: FileSelection,
  options: { receiver: FileReceiver; signal?: AbortSignal },
): Promise<void> {
  const headers = new Headers({ "dir-name": selection.folder });
  setRepeated(headers, "followpaths", selection.followPaths ?? []);
  setRepeated(headers, "include-patterns", selection.includePatterns ?? []);
  setRepeated(headers, "exclude-patterns", selection.excludePatterns ?? []);
  const out = new AsyncQueue<Packet>();
  // the client takes what it can; nothing here depends on when
  const tell = (packet: { type: number; ID?: number }): void => void out.push(create(PacketSchema, packet));
  const sinks = new Map<number, FileSink>();
  const answers = session
    .client(FileSync)
    .diffCopy(out, { headers, ...(options.signal ? { signal: options.signal } : {}) });
  let position = 0;
  let listed = false;
  let ending = false;
  const maybeEnd = (): void => {
    if (!listed || sinks.size > 0 || ending) return;
    ending = true;
    tell({ type: packetKind.end });
  };
  try {
    for await (const packet of answers) {
      switch (packet.type) {
        case packetKind.stat: {
          if (!packet.stat) {
            listed = true;
            maybeEnd();
            break;
          }
          if (position >= maxEntries)
            throw new EngineError("invalid", `the folder ${selection.folder} holds more than ${maxEntries} files`);
          const id = position++;
          const sink = await options.receiver.entry(packet.stat);
          if (!sink) break;
          sinks.set(id, sink);
          tell({ type: packetKind.request, ID: id });
          break;
        }
        case packetKind.data: {
          const sink = sinks.get(packet.ID);
          if (!sink) throw new EngineError("invalid", "the client sent a file that was not asked for");
          if (packet.data.length > 0) await sink.write(packet.data);
          else {
            sinks.delete(packet.ID);
            await sink.end();
            maybeEnd();
          }
          break;
        }
        case packetKind.end:
          return;
        case packetKind.error:
          throw new EngineError("invalid", new TextDecoder().decode(packet.data));
        default:
          break; // a newer client's packet
      }
    }
    if (!ending) throw new EngineError("unavailable", "the build's client stopped in the middle of its files");
  } finally {
    out.end();
  }
}
