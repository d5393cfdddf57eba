import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { closeSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { nowNs } from "../../base/clock.ts";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { openFlags, openInRoot, openRoot, resolveFlags } from "../../kernel/openat2.ts";
import { decompress } from "../../content/decompress.ts";
import type { Appliers } from "../../snapshots/apply/appliers.ts";
import type { CacheRecord } from "../cache/cache-record.ts";
import type { BuildContext } from "./build-context.ts";
import { folderContext } from "./folder-context.ts";
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
  readonly folder: string;
  readonly entries: readonly ContextEntry[];
  readonly missing: readonly number[];
  readonly timer: Timer;
}

/**
 * Contexts that stay on this host between builds, so that a client sends only what has changed: it tells all entries,
 * and gets the numbers of those to send. A context is named by its client; while one is at work, a second build of it
 * gets a folder of its own.
 *   <root>/<name>/{files, index, digests}
 */
export class KeptContexts {
  readonly #root: string;
  readonly #appliers: Appliers;
  readonly #plans = new Map<string, Plan>();
  readonly #busy = new Set<string>();
  readonly #lent = new Map<string, { readonly context: BuildContext; readonly timer: Timer }>();
  /** Sizes of contexts, by the time their index was written. */
  readonly #sizes = new Map<string, { mtimeMs: number; sizeBytes: number }>();

  constructor(options: { root: string; appliers: Appliers }) {
    this.#root = options.root;
    this.#appliers = options.appliers;
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
  }

  /** Compares what a client has with what is here. The id that is given back names the context until it is opened. */
  plan(name: string, entries: readonly ContextEntry[]): { id: string; missing: number[] } {
    if (!/^[0-9a-f]{16,64}$/.test(name)) throw new EngineError("invalid", "invalid context name: 16 to 64 hex digits");
    let id = name;
    for (let copy = 1; this.#busy.has(id); copy++) id = `${name}-${copy}`;
    this.#busy.add(id);
    try {
      const folder = join(this.#root, id);
      mkdirSync(join(folder, "files"), { recursive: true, mode: 0o755 });
      const before = readIndex(folder);
      const now = new Map(entries.map((entry) => [entry[0], entry]));
      const missing: number[] = [];
      for (const [index, entry] of entries.entries()) if (!same(before.get(entry[0]), entry)) missing.push(index);
      const gone = [...before.values()].filter(([path, type]) => {
        const kept = now.get(path);
        return kept === undefined || kept[1] !== type;
      });
      if (missing.length > 0 || gone.length > 0) {
        // state before action: until the files are here, the index does not say that they are
        writeIndex(
          folder,
          entries.filter((entry) => same(before.get(entry[0]), entry)),
        );
        removeEntries(join(folder, "files"), gone);
      }
      const timer = setTimeout(() => this.#drop(id), planTimeoutMs);
      timer.unref();
      this.#plans.set(id, { folder, entries, missing, timer });
      return { id, missing };
    } catch (error) {
      this.#busy.delete(id);
      throw error;
    }
  }

  /** Takes the missing entries as a tar. */
  async receive(id: string, tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const plan = this.#plan(id);
    const files = join(plan.folder, "files");
    await this.#appliers.apply(decompress(tar), {
      target: files,
      whiteouts: "literal",
      prefix: "",
      owner: { uid: 0, gid: 0 },
      limits: contextLimits,
      signal,
    });
    for (const index of plan.missing) {
      const [path = "", type] = plan.entries[index] ?? [];
      if (type === "f" && lstatSync(join(files, path), { throwIfNoEntry: false }) === undefined)
        throw new EngineError("invalid", `the context's ${path} was not sent`, { path });
    }
    writeIndex(plan.folder, plan.entries);
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
    const plan = this.#plan(id);
    clearTimeout(plan.timer);
    this.#plans.delete(id);
    const context = folderContext(join(plan.folder, "files"), { remove: [], knownFile: join(plan.folder, "digests") });
    return {
      fetch: (paths, signal) => context.fetch(paths, signal),
      readFile: (path, maxBytes) => context.readFile(path, maxBytes),
      [Symbol.asyncDispose]: async () => {
        this.#busy.delete(id);
        if (id.includes("-")) await rm(plan.folder, { recursive: true, force: true }); // a copy for this build alone
      },
    };
  }

  records(): CacheRecord[] {
    return readdirSync(this.#root).flatMap((name): CacheRecord[] => {
      const index = statSync(join(this.#root, name, "index"), { throwIfNoEntry: false });
      if (!index) return [];
      const known = this.#sizes.get(name);
      const sizeBytes =
        known?.mtimeMs === index.mtimeMs
          ? known.sizeBytes
          : [...readIndex(join(this.#root, name)).values()].reduce((sum, entry) => sum + entry[3], 0);
      this.#sizes.set(name, { mtimeMs: index.mtimeMs, sizeBytes });
      return [
        {
          id: name.slice(0, 25),
          parents: [],
          type: "source.local",
          description: "local source for context",
          sizeBytes,
          createdAtNs: BigInt(Math.round(index.birthtimeMs)) * 1_000_000n,
          lastUsedAtNs: this.#busy.has(name) ? nowNs() : BigInt(Math.round(index.mtimeMs)) * 1_000_000n,
          usageCount: 1,
          inUse: this.#busy.has(name),
          shared: false,
        },
      ];
    });
  }

  /** Removes a context that no build has open; false when there is none. */
  async remove(recordId: string): Promise<boolean> {
    const name = readdirSync(this.#root).find((known) => known.startsWith(recordId));
    if (name === undefined || this.#busy.has(name)) return false;
    const gone = join(this.#root, `${name}.gone`);
    renameSync(join(this.#root, name), gone);
    await rm(gone, { recursive: true, force: true });
    return true;
  }

  #plan(id: string): Plan {
    const plan = this.#plans.get(id);
    if (!plan)
      throw new EngineError("not-found", `no context ${id}: it was not planned, or that is too long ago`, { id });
    return plan;
  }

  #drop(id: string): void {
    this.#plans.delete(id);
    this.#busy.delete(id);
  }
}

const same = (a: ContextEntry | undefined, b: ContextEntry): boolean =>
  a !== undefined &&
  a[1] === b[1] &&
  a[2] === b[2] &&
  a[3] === b[3] &&
  a[6] === b[6] &&
  (b[1] === "d" || (a[4] === b[4] && a[5] === b[5]));

function readIndex(folder: string): Map<string, ContextEntry> {
  try {
    const rows = JSON.parse(readFileSync(join(folder, "index"), "utf8")) as ContextEntry[];
    return new Map(rows.map((row) => [row[0], row]));
  } catch {
    // none yet, or cut by a crash: what lies there is of no use
    if (existsSync(join(folder, "files"))) {
      rmSync(join(folder, "files"), { recursive: true, force: true });
      mkdirSync(join(folder, "files"), { mode: 0o755 });
    }
    return new Map();
  }
}

function writeIndex(folder: string, entries: readonly ContextEntry[]): void {
  writeFileSync(join(folder, "index.new"), JSON.stringify(entries));
  renameSync(join(folder, "index.new"), join(folder, "index"));
}

/** Removes entries, deepest first; links in the tree are never followed. */
function removeEntries(root: string, entries: readonly ContextEntry[]): void {
  if (entries.length === 0) return;
  const rootFd = openRoot(root);
  try {
    for (const [path] of entries.toSorted((a, b) => b[0].length - a[0].length)) {
      const slash = path.lastIndexOf("/");
      let parentFd = -1;
      try {
        parentFd = openInRoot(rootFd, path.slice(0, Math.max(0, slash)), {
          flags: openFlags.path | openFlags.directory,
          resolve: resolveFlags.beneath | resolveFlags.noSymlinks | resolveFlags.noMagicLinks,
        });
        rmSync(`/proc/self/fd/${parentFd}/${path.slice(slash + 1)}`, { recursive: true, force: true });
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error; // its folder went before it
      } finally {
        if (parentFd >= 0) closeSync(parentFd);
      }
    }
  } finally {
    closeSync(rootFd);
  }
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
    typeof identity === "string" &&
    typeof link === "string"
  );
}
