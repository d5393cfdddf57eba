import { closeSync, fstatSync } from "node:fs";
import { posix } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import { EngineError } from "../../base/errors.ts";
import { openFlags, openInRoot } from "../../kernel/openat2.ts";
import type { PathStat } from "../containers.ts";
import { openPath, statPath } from "./path-stat.ts";
import type { ContainerRoot } from "./held-trees.ts";

/**
 * A tar of a path: a folder under its base name, `path/.` its contents. The kernel has walked to the folder that tar
 * starts in; below it GNU tar opens every name with O_NOFOLLOW relative to its parent's descriptor, so nobody who
 * swaps components while we copy leads it astray (CVE-2018-15664).
 */
export function readTree(
  root: ContainerRoot,
  path: string,
  ref: string,
): { stat: PathStat; tar: Readable; done: Promise<void> } {
  const stat = statPath(root, path, ref);
  const clean = posix.resolve("/", path);
  const contents = clean === "/" || path.endsWith("/.") || path === ".";
  const folder = contents ? clean : posix.dirname(clean);
  const fd = openInRoot(root.fd, folder, { flags: openFlags.path | openFlags.directory });
  const member = contents ? "." : `./${posix.basename(clean)}`;
  // Held so that a missing path is a 404 before the first byte.
  closeSync(openPath(root, clean, ref, { follow: false }));
  return { stat, ...packFrom(fd, [member], contents ? [] : ["--transform=s,^\\./,,S"]) };
}

/** A tar of whole folders below a descriptor, which is closed at the end. */
export function packFrom(
  fd: number,
  members: readonly string[],
  options: readonly string[] = [],
): { tar: Readable; done: Promise<void> } {
  if (!fstatSync(fd).isDirectory()) throw new EngineError("internal", "a tar starts in a folder");
  const child = Bun.spawn(
    [
      "/bin/tar",
      "--create",
      "--file=-",
      "--format=pax",
      "--pax-option=delete=atime,delete=ctime",
      "--numeric-owner",
      "--sparse",
      "--xattrs",
      "--xattrs-include=security.capability",
      "--xattrs-include=user.*",
      "--warning=no-file-changed",
      "--warning=no-file-removed",
      "--ignore-failed-read",
      "--directory=/proc/self/fd/3",
      ...options,
      "--",
      ...members,
    ],
    { stdio: ["ignore", "pipe", "pipe", fd], env: { LC_ALL: "C", PATH: "/usr/bin:/bin" } },
  );
  closeSync(fd);
  const tar = new PassThrough({ highWaterMark: 1 << 20 });
  tar.once("close", () => child.kill());
  return { tar, done: pump(child.stdout, tar, new Response(child.stderr).text(), child.exited) };
}

async function pump(
  from: ReadableStream<Uint8Array>,
  tar: PassThrough,
  errors: Promise<string>,
  exited: Promise<number>,
): Promise<void> {
  try {
    for await (const chunk of from) {
      if (tar.destroyed) return;
      if (!tar.write(chunk))
        await new Promise<void>((resolve) => void tar.once("drain", resolve).once("close", resolve));
    }
    const status = await exited;
    // 1: files changed while they were read, which is their owner's business
    if (status > 1 && !tar.destroyed)
      throw new EngineError("internal", `tar ended with ${status}: ${(await errors).trim().slice(0, 500)}`);
    tar.end();
  } catch (error) {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}
