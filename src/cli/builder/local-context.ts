import { createHash } from "node:crypto";
import { createReadStream, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import type { EngineClient } from "../../client/engine-client.ts";
import { ignorePatterns, type IgnorePatterns, readIgnoreFile } from "../../spec/ignore-patterns.ts";
import { ExitError } from "../exit-error.ts";
import { openFailure } from "../values/env-file.ts";

/** One entry as the daemon is told it: path, type, mode, size, time in ns, identity, link's target. */
type Entry = [string, "f" | "d" | "l", number, number, string, string, string];

/** Patterns of `<Dockerfile>.dockerignore` or the context's `.dockerignore`. */
export function readIgnore(folder: string, dockerfile: string): IgnorePatterns {
  for (const path of [`${dockerfile}.dockerignore`, join(folder, ".dockerignore")]) {
    try {
      return ignorePatterns(readIgnoreFile(readFileSync(path, "utf8")));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")))
        throw error;
    }
  }
  return ignorePatterns([]);
}

/**
 * Brings a folder to the daemon: it is told all entries by name, size, time and inode, and asks for those that it has
 * not got. Gives the context's address.
 */
export async function sendContext(
  engine: EngineClient,
  folder: string,
  ignore: IgnorePatterns,
  options: { signal: AbortSignal; sent: (bytes: number) => void },
): Promise<string> {
  const { signal } = options;
  const root = resolve(folder);
  const entries = listEntries(root, ignore);
  const name = createHash("sha256")
    .update(`${hostname()}\0${process.getuid?.() ?? 0}\0${root}`)
    .digest("hex")
    .slice(0, 40);
  const { body } = await engine.stream("BuildContextPlan", {}, { signal, upload: Readable.from(lines(name, entries)) });
  const { Id, Missing } = JSON.parse(await text(body)) as { Id: string; Missing: number[] };
  if (Missing.length > 0) {
    const archive = packEntries(
      root,
      Missing.map((index) => entries[index]).filter((entry) => entry !== undefined),
      options.sent,
    );
    const reply = await engine.stream("BuildContextFiles", { id: Id }, { signal, upload: archive });
    await text(reply.body);
  }
  return `berth-context:${Id}`;
}

async function text(body: Readable): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of body) parts.push(chunk as Buffer);
  return Buffer.concat(parts).toString("utf8");
}

function* lines(name: string, entries: readonly Entry[]): Generator<Buffer> {
  let batch = `${JSON.stringify({ id: name })}\n`;
  for (const entry of entries) {
    batch += `${JSON.stringify(entry)}\n`;
    if (batch.length < 256 * 1024) continue;
    yield Buffer.from(batch);
    batch = "";
  }
  yield Buffer.from(batch);
}

/** All entries that are not ignored, folders before what is in them, names in order. */
function listEntries(root: string, ignore: IgnorePatterns): Entry[] {
  const entries: Entry[] = [];
  const visit = (folder: string): void => {
    let names: string[];
    try {
      names = readdirSync(join(root, folder)).sort();
    } catch (error) {
      throw new ExitError(1, `error checking context: ${join(root, folder)}: ${openFailure(error)}`);
    }
    for (const name of names) {
      const path = folder === "" ? name : `${folder}/${name}`;
      const ignored = ignore.patterns.length > 0 && ignore.ignores(path);
      if (ignored && !ignore.hasExceptions) continue;
      const stat = lstatSync(join(root, path), { bigint: true, throwIfNoEntry: false });
      if (!stat) continue; // removed meanwhile
      const mode = Number(stat.mode) & 0o7777;
      const identity = `${stat.ino}:${stat.ctimeNs}`;
      if (stat.isDirectory()) {
        if (ignored && !ignore.mayHoldExceptions(path)) continue;
        if (!ignored) entries.push([path, "d", mode, 0, stat.mtimeNs.toString(), "", ""]);
        visit(path);
      } else if (ignored) continue;
      else if (stat.isSymbolicLink())
        entries.push([path, "l", 0o777, 0, stat.mtimeNs.toString(), "", readlinkSync(join(root, path))]);
      else if (stat.isFile()) entries.push([path, "f", mode, Number(stat.size), stat.mtimeNs.toString(), identity, ""]);
    }
  };
  visit("");
  return entries;
}

/** An archive of entries that is written as it is read. */
function packEntries(root: string, entries: readonly Entry[], sent: (bytes: number) => void): Readable {
  const archive = pack();
  const write = async (): Promise<void> => {
    for (const [path, type, mode, sizeBytes, mtimeNs, , linkname] of entries) {
      const mtime = new Date(Number(BigInt(mtimeNs) / 1_000_000n));
      if (type === "d") await add({ name: `${path}/`, mode, mtime, type: "directory" });
      else if (type === "l") await add({ name: path, mode, mtime, type: "symlink", linkname });
      else await addFile(path, { name: path, mode, mtime, size: sizeBytes });
      sent(sizeBytes);
    }
    archive.finalize();
  };
  const add = (header: Parameters<typeof archive.entry>[0]): Promise<void> =>
    new Promise((done, fail) => void archive.entry(header, (error) => (error ? fail(error) : done())));
  const addFile = async (path: string, header: Parameters<typeof archive.entry>[0]): Promise<void> => {
    const size = header.size ?? 0;
    if (size <= 256 * 1024) {
      const bytes = readFileSync(join(root, path));
      if (bytes.length !== size) throw new Error(`${path} changed while it was read`);
      await new Promise<void>((done, fail) => {
        archive.entry(header, bytes, (error) => (error ? fail(error) : done()));
      });
      return;
    }
    const { promise, resolve: done, reject } = Promise.withResolvers<void>();
    const entry = archive.entry(header, (error) => (error ? reject(error) : done()));
    const file = createReadStream(join(root, path), { end: size - 1, highWaterMark: 256 * 1024 });
    file.once("error", reject);
    file.pipe(entry);
    await promise;
  };
  write().catch((error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))));
  return Readable.from(archive, { objectMode: false });
}
