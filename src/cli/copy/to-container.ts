import { lstatSync, realpathSync, type Stats } from "node:fs";
import { isAbsolute, join, posix } from "node:path";
import type { Readable } from "node:stream";
import type { CommandContext } from "../command.ts";
import { openFailure } from "../values/env-file.ts";
import { statContainerPath } from "./container-path.ts";
import { Counter, type CopyOptions } from "./from-container.ts";
import { packLocal } from "./pack-local.ts";
import { absolute, place, rebaseName, renamed, splitEntry, type Destination } from "./path-entry.ts";

type Copying = Pick<CommandContext, "engine" | "stdin">;

/** Copies into a container. Gives the bytes moved. */
export async function copyToContainer(
  { engine, stdin }: Copying,
  container: string,
  paths: { source: string; destination: string },
  options: CopyOptions,
): Promise<{ bytes: number }> {
  const destination = await inspectDestination(engine, container, paths.destination);
  const counted = new Counter();
  const put = async (folder: string, archive: Readable): Promise<void> => {
    archive.on("error", (error) => counted.destroy(error));
    const query = { noOverwriteDirNonDir: "true", ...(options.archive ? { copyUIDGID: "true" } : {}) };
    const { body } = await engine.stream(
      "PutContainerArchive",
      { id: container, path: folder, ...query },
      { upload: archive.pipe(counted) },
    );
    body.resume();
  };
  if (paths.source === "-") {
    if (!destination.isFolder) throw new Error(`destination "${container}:${paths.destination}" must be a directory`);
    await put(destination.path, stdin);
    return { bytes: counted.bytes };
  }
  const source = inspectSource(absolute(paths.source, process.cwd()), options.followLink);
  const { folder, base } = splitEntry(source.path);
  const placement = place(
    { path: source.path, isFolder: source.stat.isDirectory(), rebase: source.rebase },
    destination,
  );
  await put(
    placement.folder,
    packLocal({
      folder,
      base,
      name: (path) => {
        const own = source.rebase === undefined ? path : renamed(path, { from: base, to: source.rebase });
        return renamed(own, placement.rename);
      },
    }),
  );
  return { bytes: counted.bytes };
}

async function inspectDestination(
  engine: CommandContext["engine"],
  container: string,
  given: string,
): Promise<Destination> {
  let path = given;
  let stat = await statContainerPath(engine, container, path);
  if (stat?.isLink === true) {
    const target = stat.linkTarget;
    path = isAbsolute(target) ? target : posix.join(splitEntry(path).folder, target);
    stat = await statContainerPath(engine, container, path);
  }
  if (stat !== undefined && !stat.isFolder && !stat.isFile)
    throw new Error(`destination "${container}:${given}" must be a directory or a regular file`);
  return { path, exists: stat !== undefined, isFolder: stat?.isFolder === true };
}

function inspectSource(path: string, followLink: boolean): { path: string; rebase: string | undefined; stat: Stats } {
  try {
    const resolved = followLink ? rebaseName(path, realpathSync(path)) : resolveParent(path);
    return { path: resolved.path, rebase: resolved.name, stat: lstatSync(resolved.path) };
  } catch (error) {
    throw new Error(`lstat ${path}: ${openFailure(error)}`, { cause: error });
  }
}

/** Without -L only the folder on the way is resolved: a link at the end is copied as a link. */
function resolveParent(path: string): { path: string; name: string | undefined } {
  const { folder, base } = splitEntry(path.endsWith("/") && path !== "/" ? `${path}.` : path);
  const resolved = join(realpathSync(folder), base);
  if (base !== ".") return { path: resolved, name: undefined };
  // `link/` and `link/.` lead through the link
  return path.endsWith("/")
    ? rebaseName(path.replace(/\/$/, ""), realpathSync(path))
    : { path: `${realpathSync(folder).replace(/\/$/, "")}/.`, name: undefined };
}
