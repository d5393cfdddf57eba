import type { BuildContext, ContextTree } from "../../build/context/build-context.ts";
import type { OpenFolder, SyncedFolders } from "../../build/context/synced-folders.ts";
import { EngineError } from "../../base/errors.ts";
import type { Stat } from "../../spec/buildkit/files.gen.ts";
import type { Session } from "./session.ts";
import type { StepTeller } from "../step-teller.ts";
import { type FileSelection, type FileSink, pullFiles } from "./pull-files.ts";

// Go's FileMode: what its bits beside the permissions mean (package io/fs)
const goMode = { folder: 0x80000000, link: 0x08000000, setuid: 0x00800000, setgid: 0x00400000, sticky: 0x00100000 };
/** Devices, pipes, sockets: no build reads them. */
const otherKinds = 0x04000000 | 0x02000000 | 0x01000000 | 0x00200000 | 0x00080000;

/** A folder of the client that opened a session. What the build reads of it is copied here, and kept for the next one. */
export class SessionContext implements BuildContext {
  readonly #session: Session;
  readonly #folders: SyncedFolders;
  readonly #options: {
    readonly folder: string;
    readonly excludePatterns: readonly string[];
    readonly key: string;
    readonly teller: StepTeller;
    readonly name: string;
  };
  #open: OpenFolder | undefined;

  constructor(
    session: Session,
    folders: SyncedFolders,
    options: {
      /** The client's name for it. */
      folder: string;
      excludePatterns: readonly string[];
      /** Names the client's folder from one build to the next; empty = it is not kept. */
      key: string;
      teller: StepTeller;
      /** What the step of taking it is called. */
      name: string;
    },
  ) {
    this.#session = session;
    this.#folders = folders;
    this.#options = options;
  }

  fetch(paths: readonly string[], signal: AbortSignal): Promise<ContextTree> {
    const { teller, name } = this.#options;
    return teller.step(name.startsWith("[") ? name : `[internal] ${name}`, (count) =>
      this.#take(paths, (bytes) => count("transferring context:", bytes), signal),
    );
  }

  async #take(paths: readonly string[], progress: (bytes: number) => void, signal: AbortSignal): Promise<ContextTree> {
    const { folder: name, excludePatterns, key } = this.#options;
    const followPaths = paths.some((path) => isRoot(path)) ? [] : paths.map(cleaned);
    await this.#open?.[Symbol.asyncDispose]();
    const open = this.#folders.open(key, `local source for ${name}`);
    this.#open = open;
    let bytes = 0;
    progress(0);
    const receiver = {
      entry: (stat: Stat): FileSink | undefined => {
        const mode = stat.mode >>> 0;
        if ((mode & otherKinds) !== 0) return undefined;
        const kind = (mode & goMode.folder) !== 0 ? "folder" : (mode & goMode.link) !== 0 ? "link" : "file";
        const writer = open.folder.entry({
          path: stat.path,
          kind,
          mode: permissions(mode),
          sizeBytes: kind === "file" ? Number(stat.size) : 0,
          mtimeNs: stat.modTime,
          target: stat.linkname,
        });
        return (
          writer && {
            write: (piece) => {
              bytes += piece.length;
              progress(bytes);
              writer.write(piece);
            },
            end: writer.end,
          }
        );
      },
    };
    await pullFiles(this.#session, { folder: name, followPaths, excludePatterns }, { receiver, signal });
    open.keep();
    return { root: open.folder.root, knownFile: open.folder.knownFile };
  }

  readFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
    return readClientFile(this.#session, { folder: this.#options.folder, path, maxBytes });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open?.[Symbol.asyncDispose]();
    this.#open = undefined;
  }
}

/** One file of a client's folder; undefined when it is not there. Throws `invalid` when it is too long. */
export async function readClientFile(
  session: Session,
  options: { folder: string; path: string; maxBytes: number; signal?: AbortSignal },
): Promise<Buffer | undefined> {
  const path = cleaned(options.path);
  const selection: FileSelection = { folder: options.folder, followPaths: [path] };
  // a link is listed with what it leads to: the last regular file is the one
  const files = new Map<string, Buffer>();
  const links = new Map<string, string>();
  let total = 0;
  await pullFiles(session, selection, {
    ...(options.signal ? { signal: options.signal } : {}),
    receiver: {
      entry(stat) {
        const mode = stat.mode >>> 0;
        if ((mode & goMode.link) !== 0) links.set(stat.path, stat.linkname);
        if ((mode & (goMode.folder | goMode.link | otherKinds)) !== 0) return undefined;
        const pieces: Uint8Array[] = [];
        return {
          write(piece) {
            total += piece.length;
            if (total > options.maxBytes)
              throw new EngineError("invalid", `${options.path} is longer than ${options.maxBytes} bytes`);
            pieces.push(piece);
          },
          end: () => void files.set(stat.path, Buffer.concat(pieces)),
        };
      },
    },
  });
  let name = path;
  for (let depth = 0; depth < 40; depth++) {
    const target = links.get(name);
    if (target === undefined) break;
    name = cleaned(target.startsWith("/") ? target : `${name.slice(0, name.lastIndexOf("/") + 1)}${target}`);
  }
  return files.get(name);
}

/** As the client's file walker wants paths: no leading slash, no `.`; `..` never leaves the folder. */
function cleaned(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}

const isRoot = (path: string): boolean => cleaned(path) === "";

const permissions = (mode: number): number =>
  (mode & 0o777) |
  ((mode & goMode.setuid) !== 0 ? 0o4000 : 0) |
  ((mode & goMode.setgid) !== 0 ? 0o2000 : 0) |
  ((mode & goMode.sticky) !== 0 ? 0o1000 : 0);
