import { lstatSync, readlinkSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, posix } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { CommandContext } from "../command.ts";
import { readPathStat, statContainerPath } from "./container-path.ts";
import { absolute, clean, place, rebaseName, renamed, splitEntry, type Destination } from "./path-entry.ts";
import { unpackLocal } from "./unpack-local.ts";

export interface CopyOptions {
  readonly archive: boolean;
  readonly followLink: boolean;
}

type Copying = Pick<CommandContext, "engine" | "stdout" | "stderr">;

/** Copies out of a container. Gives the bytes moved, and the local path; undefined for `-`. */
export async function copyFromContainer(
  { engine, stdout, stderr }: Copying,
  container: string,
  paths: { source: string; destination: string },
  options: CopyOptions,
): Promise<{ bytes: number; target: string } | undefined> {
  const local = paths.destination === "-" ? undefined : absolute(paths.destination, process.cwd());
  if (local !== undefined) checkOutputPath(local);
  let source = { path: paths.source, rebase: undefined as string | undefined };
  if (options.followLink) source = await followLink(engine, container, paths.source);
  const { headers, body } = await engine.stream("ContainerArchive", { id: container, path: source.path });
  if (local === undefined) {
    await pipeline(body, stdout, { end: false });
    return undefined;
  }
  const stat = readPathStat(headers);
  const placement = place(
    { path: source.path, isFolder: stat.isFolder, rebase: source.rebase },
    inspectDestination(local),
  );
  const { base } = splitEntry(source.path);
  const counted = new Counter();
  await unpackLocal(body.pipe(counted), {
    folder: placement.folder,
    name: (entry) => {
      const own = source.rebase === undefined ? entry : renamed(entry, { from: base, to: source.rebase });
      return renamed(own, placement.rename);
    },
    owners: options.archive && process.getuid?.() === 0,
    warn: (text) => void stderr.write(`${text}\n`),
  });
  return { bytes: counted.bytes, target: local };
}

/** Passes bytes on and counts them. */
export class Counter extends Transform {
  bytes = 0;

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error: Error | null, chunk: Buffer) => void,
  ): void {
    this.bytes += chunk.length;
    done(null, chunk);
  }
}

async function followLink(
  engine: CommandContext["engine"],
  container: string,
  path: string,
): Promise<{ path: string; rebase: string | undefined }> {
  const stat = await statContainerPath(engine, container, path);
  if (stat?.isLink !== true) return { path, rebase: undefined };
  const target = isAbsolute(stat.linkTarget) ? stat.linkTarget : join(splitEntry(path).folder, stat.linkTarget);
  const { path: resolved, name } = rebaseName(path, target);
  return { path: resolved, rebase: name };
}

/** docker's check before anything is fetched. */
function checkOutputPath(path: string): void {
  const folder = dirname(clean(path));
  if (statSync(folder, { throwIfNoEntry: false }) === undefined)
    throw new Error(`invalid output path: directory "${folder}" does not exist`);
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isBlockDevice() === true || there?.isCharacterDevice() === true) throw new Error("got a device");
}

const mostLinks = 10; // as docker: more are a loop

/** Follows links at the end of the path; what they lead to need not exist. */
function inspectDestination(given: string): Destination {
  let path = given;
  for (let links = 0; ; links++) {
    const stat = lstatSync(clean(path), { throwIfNoEntry: false });
    if (stat === undefined) return { path, exists: false, isFolder: false };
    if (!stat.isSymbolicLink()) return { path, exists: true, isFolder: stat.isDirectory() };
    if (links >= mostLinks) throw new Error(`too many symbolic links in path: ${given}`);
    const target = readlinkSync(clean(path));
    path = isAbsolute(target) ? target : posix.join(splitEntry(path).folder, target);
  }
}
