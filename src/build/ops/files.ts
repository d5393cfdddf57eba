import { closeSync, createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { newId } from "../../base/id.ts";
import { decompress } from "../../content/decompress.ts";
import { openFlags, openInRoot, openRoot } from "../../kernel/openat2.ts";
import type { StagedLayer } from "../../snapshots/layers.ts";
import type { FoundArchive, Owner } from "../files/copy-tree.ts";
import type { CopySource, FilesOp, Vertex } from "../graph.ts";
import { snapshotPrefix, type SolverDeps } from "../solve/solver-deps.ts";
import { resolveOwner } from "./owner.ts";
import { WorkFolder } from "./work-folder.ts";

/** A source as a folder on this host. */
export interface ReadySource {
  readonly root: string;
  readonly patterns: readonly string[];
  readonly unpack: boolean;
}

export interface FilesContext {
  readonly deps: SolverDeps;
  readonly signal: AbortSignal;
  /** Brings a source to this host; what it makes lives until the end of the step. */
  ready(source: CopySource, work: WorkFolder, undo: AsyncDisposableStack): Promise<ReadySource>;
}

/** Copies into the layers, or makes a folder, and gives what changed, to be committed or disposed. */
export async function changeFiles(
  vertex: Vertex,
  op: FilesOp,
  base: readonly string[],
  context: FilesContext,
): Promise<StagedLayer> {
  const { deps } = context;
  const id = newId();
  const key = `${snapshotPrefix}${id}`;
  await using undo = new AsyncDisposableStack();
  const work = undo.use(await WorkFolder.make(deps.workRoot, id));
  undo.defer(() => deps.layers.remove(key));
  await deps.layers.prepare(key, op.link ? [] : base, { bare: true });
  {
    await using mounted = new AsyncDisposableStack();
    const target = await work.folder();
    await deps.layers.mount(key, target);
    mounted.defer(() => deps.layers.unmount(target));
    const owner = await ownerOf(op, base, target, work, deps);
    if (op.action.kind === "mkdir") await deps.trees.mkdir(target, op.action.path, owner);
    else await copy(op, target, owner, { ...context, work, undo: mounted });
  }
  return deps.layers.adopt(key, { notAfterSeconds: vertex.epochSeconds });
}

async function ownerOf(
  op: FilesOp,
  base: readonly string[],
  target: string,
  work: WorkFolder,
  deps: SolverDeps,
): Promise<Owner | null> {
  const { owner } = op.action;
  if (owner === "") return op.action.kind === "mkdir" ? { uid: 0, gid: 0 } : null;
  if (!op.link) return resolveOwner(target, owner);
  const view = await work.folder();
  await deps.layers.view(base, view);
  try {
    return resolveOwner(view, owner);
  } finally {
    await deps.layers.unmount(view);
  }
}

type CopyContext = FilesContext & { readonly work: WorkFolder; readonly undo: AsyncDisposableStack };

async function copy(op: FilesOp, target: string, owner: Owner | null, context: CopyContext): Promise<void> {
  const { action } = op;
  if (action.kind !== "copy") return;
  const several = action.sources.length > 1 && !action.destination.endsWith("/");
  const destination = several ? `${action.destination}/` : action.destination;
  for (const source of action.sources) {
    context.signal.throwIfAborted();
    const ready = await context.ready(source, context.work, context.undo);
    const request = {
      source: ready.root,
      patterns: ready.patterns,
      excludes: action.excludes,
      parents: action.parents,
      destinationRoot: target,
      destination,
      owner,
      mode: action.mode,
    };
    const { archives } = await context.deps.trees.copy({ ...request, tellArchives: ready.unpack });
    for (const archive of archives) {
      if (await unpack(ready.root, archive, target, owner, context)) continue;
      await context.deps.trees.copy({ ...request, patterns: [literal(archive.path)], tellArchives: false });
    }
  }
}

/** A path that no wildcard is read in. */
const literal = (path: string): string => `/${path.replaceAll(/[*?[\\]/g, "\\$&")}`;

/** Unpacks the archive into its folder; false when it is none after all, as a packed single file. */
async function unpack(
  sourceRoot: string,
  archive: FoundArchive,
  target: string,
  owner: Owner | null,
  { deps, signal }: CopyContext,
): Promise<boolean> {
  const rootFd = openRoot(sourceRoot);
  let fd = -1;
  try {
    fd = openInRoot(rootFd, archive.path, { flags: openFlags.read | openFlags.nonBlock });
    const plain = decompress(createReadStream("", { fd, autoClose: false, start: 0, highWaterMark: 512 * 1024 }));
    const first = await firstBlock(plain).catch((error: unknown) => {
      if (error instanceof EngineError) return undefined; // not packed as its first bytes say
      throw error;
    });
    if (first === undefined || !isTarHeader(first)) {
      await plain.return(undefined);
      return false;
    }
    await deps.appliers.apply(chain(first, plain), {
      target,
      prefix: archive.folder,
      whiteouts: "literal",
      limits: deps.limits,
      signal,
      ...(owner ? { owner } : {}),
    });
    return true;
  } finally {
    if (fd >= 0) closeSync(fd);
    closeSync(rootFd);
  }
}

async function firstBlock(source: AsyncGenerator<Uint8Array, void>): Promise<Buffer | undefined> {
  let bytes = Buffer.alloc(0);
  while (bytes.length < 512) {
    const next = await source.next();
    if (next.done) return bytes.length === 0 ? undefined : bytes;
    bytes = Buffer.concat([bytes, next.value]);
  }
  return bytes;
}

async function* chain(first: Buffer, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}

/** The checksum of a tar header is right. */
function isTarHeader(block: Buffer): boolean {
  if (block.length < 512) return false;
  const written = Number.parseInt(
    block
      .toString("latin1", 148, 156)
      .replace(/[\0 ]+$/, "")
      .trim(),
    8,
  );
  let sum = 0;
  for (let at = 0; at < 512; at++) sum += at >= 148 && at < 156 ? 32 : (block[at] ?? 0);
  return written === sum;
}

/** A here-document as a source. */
export async function textSource(name: string, content: string, work: WorkFolder): Promise<ReadySource> {
  const root = await work.folder();
  const file = name.replaceAll("/", "_");
  await writeFile(join(root, file), content, { mode: 0o644 });
  return { root, patterns: [literal(file)], unpack: false };
}
