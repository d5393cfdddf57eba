import { EngineError } from "../../base/errors.ts";
import { newId } from "../../base/id.ts";
import { decompress } from "../../content/decompress.ts";
import type { Appliers } from "../../snapshots/apply/appliers.ts";
import type { BuildContext } from "./build-context.ts";
import { folderContext } from "./folder-context.ts";
import type { SyncedEntry } from "./synced-folder.ts";
import type { OpenFolder, SyncedFolders } from "./synced-folders.ts";
import { contextLimits } from "./tar-context.ts";

/** What a client says of one entry: path, `f`, `d` or `l`, mode, size, time in ns, identity, link's target. */
export type ContextEntry = readonly [
  path: string,
  type: string,
  mode: number,
  sizeBytes: number,
  mtimeNs: string,
  identity: string,
  link: string,
];

/** More entries than any source tree has. */
const maxEntries = 2_000_000;
/** A client that planned and does not send is gone after this. */
const planTimeoutMs = 10 * 60_000;

interface Plan {
  readonly open: OpenFolder;
  /** Paths that have not come yet. */
  missing: readonly string[];
  timer: Timer;
}

/**
 * Contexts of clients that tell all entries, get the numbers of those to send, and send them as one tar. A context is
 * named by its client and kept as a synced folder.
 */
export class KeptContexts {
  readonly #folders: SyncedFolders;
  readonly #appliers: Appliers;
  readonly #plans = new Map<string, Plan>();
  readonly #lent = new Map<string, { readonly context: BuildContext; readonly timer: Timer }>();

  constructor(options: { folders: SyncedFolders; appliers: Appliers }) {
    this.#folders = options.folders;
    this.#appliers = options.appliers;
  }

  /** Compares what a client has with what is here. The id that is given back names the context until it is opened. */
  async plan(name: string, entries: readonly ContextEntry[]): Promise<{ id: string; missing: number[] }> {
    if (!/^[0-9a-f]{16,64}$/.test(name)) throw new EngineError("invalid", "invalid context name: 16 to 64 hex digits");
    await using undo = new AsyncDisposableStack();
    const open = undo.use(this.#folders.open(`berth\0${name}`, "local source for context"));
    const missing: number[] = [];
    for (const [index, entry] of entries.entries()) if (open.folder.entry(syncedEntry(entry))) missing.push(index);
    if (missing.length === 0) open.keep();
    const id = newId();
    const paths = missing.map((index) => entries[index]?.[0] ?? "");
    this.#plans.set(id, { open, missing: paths, timer: this.#timer(id) });
    undo.move();
    return { id, missing };
  }

  /** Takes the missing entries as a tar. What else is in it is dropped. */
  async receive(id: string, tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const plan = this.#plan(id);
    clearTimeout(plan.timer);
    this.#plans.delete(id); // it is nobody else's while it comes
    await using undo = new AsyncDisposableStack();
    undo.use(plan.open);
    // beside the files: its members are a stranger's words, and may lead anywhere once they lie there
    await using incoming = await plan.open.folder.incoming();
    await this.#appliers.apply(decompress(tar), {
      target: incoming.root,
      whiteouts: "literal",
      prefix: "",
      owner: { uid: 0, gid: 0 },
      limits: contextLimits,
      signal,
    });
    for (const [index, path] of plan.missing.entries()) {
      incoming.take(path);
      if (index % 500 === 499) await new Promise((resolve) => setImmediate(resolve));
    }
    plan.open.keep();
    this.#plans.set(id, { open: plan.open, missing: [], timer: this.#timer(id) });
    undo.move();
  }

  /** Keeps a context for the build that opens it by the id, or a while. */
  lend(id: string, context: BuildContext): void {
    const drop = (): void => {
      if (!this.#lent.delete(id)) return;
      void Promise.resolve(context[Symbol.asyncDispose]()).catch(() => {}); // the next start of the daemon sweeps its folder
    };
    const timer = setTimeout(drop, planTimeoutMs);
    timer.unref();
    this.#lent.set(id, { context, timer });
  }

  /** Opens a context that is whole; it may be planned again when the returned one is disposed. */
  open(id: string): BuildContext {
    const lent = this.#lent.get(id);
    if (lent) {
      clearTimeout(lent.timer);
      this.#lent.delete(id);
      return lent.context;
    }
    const { open, missing, timer } = this.#plan(id);
    if (missing.length > 0)
      throw new EngineError("conflict", `the files of context ${id} were not sent`, { id, files: missing.length });
    clearTimeout(timer);
    this.#plans.delete(id);
    const context = folderContext(open.folder.root, { remove: [], knownFile: open.folder.knownFile });
    return {
      fetch: (paths, signal) => context.fetch(paths, signal),
      readFile: (path, maxBytes) => context.readFile(path, maxBytes),
      [Symbol.asyncDispose]: async () => open[Symbol.asyncDispose](),
    };
  }

  #plan(id: string): Plan {
    const plan = this.#plans.get(id);
    if (!plan)
      throw new EngineError("not-found", `no context ${id}: it was not planned, or that is too long ago`, { id });
    return plan;
  }

  #timer(id: string): Timer {
    const drop = (): void => {
      const plan = this.#plans.get(id);
      this.#plans.delete(id);
      void Promise.resolve(plan?.open[Symbol.asyncDispose]()).catch(() => {}); // the next start removes it
    };
    const timer = setTimeout(drop, planTimeoutMs);
    timer.unref();
    return timer;
  }
}

function syncedEntry([path, type, mode, sizeBytes, mtimeNs, identity, link]: ContextEntry): SyncedEntry {
  const kind = type === "d" ? "folder" : type === "l" ? "link" : "file";
  return { path, kind, mode: mode & 0o7777, sizeBytes, mtimeNs: BigInt(mtimeNs), identity, target: link };
}

/** Reads the lines that a client tells its context by. Throws `invalid`. */
export async function readEntries(
  source: AsyncIterable<Uint8Array>,
): Promise<{ name: string; entries: ContextEntry[] }> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let pending = "";
  let name: string | undefined;
  const entries: ContextEntry[] = [];
  const take = (line: string): void => {
    if (line === "") return;
    const value: unknown = parse(line);
    if (name === undefined) {
      if (typeof value !== "object" || value === null || !("id" in value) || typeof value.id !== "string")
        throw new EngineError("invalid", "invalid context: its first line names it");
      name = value.id;
      return;
    }
    if (!isEntry(value)) throw new EngineError("invalid", `invalid entry of a context: ${line.slice(0, 200)}`);
    if (entries.push(value) > maxEntries)
      throw new EngineError("invalid", `a context has at most ${maxEntries} entries: leave some out by .dockerignore`);
  };
  for await (const chunk of source) {
    const lines = (pending + decoder.decode(chunk, { stream: true })).split("\n");
    pending = lines.pop() ?? "";
    if (pending.length > 64 * 1024) throw new EngineError("invalid", "invalid context: a line is too long");
    for (const line of lines) take(line);
  }
  take(pending);
  if (name === undefined) throw new EngineError("invalid", "invalid context: it is empty");
  return { name, entries };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new EngineError("invalid", `invalid context: a line is no JSON: ${line.slice(0, 200)}`);
  }
}

function isEntry(value: unknown): value is ContextEntry {
  if (!Array.isArray(value) || value.length !== 7) return false;
  const [path, type, mode, size, mtime, identity, link] = value as unknown[];
  return (
    typeof path === "string" &&
    path !== "" &&
    !path.startsWith("/") &&
    !/(^|\/)\.{0,2}(\/|$)/.test(path) &&
    !path.includes("\0") &&
    (type === "f" || type === "d" || type === "l") &&
    typeof mode === "number" &&
    typeof size === "number" &&
    typeof mtime === "string" &&
    /^-?\d{1,19}$/.test(mtime) &&
    typeof identity === "string" &&
    typeof link === "string" &&
    (type === "l") === (link !== "")
  );
}
