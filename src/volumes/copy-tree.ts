import { closeSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { EngineError } from "../base/errors.ts";
import { SyscallError } from "../kernel/call.ts";
import { openFlags, openInRoot, openRoot } from "../kernel/openat2.ts";

/**
 * Fills an empty folder with what a container's root file system has in the folder `source`: owners, modes, times,
 * extended attributes, hard links and the folder's own attributes. The kernel resolves `source` inside the root: links
 * of an image cannot lead out. Nothing happens when there is no such folder.
 *
 * Containers that have the volume already may change it meanwhile, and cp follows links that they put in its way. So
 * it copies into `staging`, a folder of the same file system that nobody else sees, and what is whole is then moved
 * by rename(2), which follows none. Without a staging folder nobody else may have the target. May be called again
 * after it was cut.
 */
export async function copyTree(options: {
  rootfs: string;
  source: string;
  target: string;
  staging: string | undefined;
}): Promise<void> {
  const { rootfs, source, target, staging } = options;
  const folder = openFolder(rootfs, source);
  if (folder === undefined) return;
  try {
    if (staging !== undefined) {
      await rm(staging, { recursive: true, force: true });
      await mkdir(staging, { mode: 0o700 });
    }
    // The copy sees the folder as descriptor 3, so nobody can swap a path under it.
    await copy(["/proc/self/fd/3/.", staging ?? target], options, folder);
  } finally {
    closeSync(folder);
  }
  if (staging === undefined) return;
  for (const name of await readdir(staging, { encoding: "buffer" })) await move(name, staging, target);
  // what is left of it are its own attributes
  await copy(["-T", staging, target], options);
  await rm(staging, { recursive: true, force: true });
}

async function copy(
  args: readonly string[],
  { source, target }: { source: string; target: string },
  folder?: number,
): Promise<void> {
  const child = Bun.spawn(["/bin/cp", "-a", "--reflink=auto", ...args], {
    stdio: ["ignore", "ignore", "pipe", ...(folder === undefined ? [] : [folder])],
    env: { LC_ALL: "C" },
    cwd: "/",
  });
  const [text, status] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (status === 0) return;
  throw new EngineError(
    "internal",
    `copying ${source} of the image into the volume failed: ${text.trim().split("\n")[0] ?? `status ${status}`}`,
    { source, target },
  );
}

async function move(name: Buffer, from: string, to: string): Promise<void> {
  const path = (folder: string): Buffer => Buffer.concat([Buffer.from(`${folder}/`), name]);
  try {
    await rename(path(from), path(to));
  } catch (error) {
    // already there: moved before a cut, or a container made it meanwhile
    if (!["EEXIST", "ENOTEMPTY", "EISDIR", "ENOTDIR"].includes(codeOf(error))) throw error;
    await rm(path(from), { recursive: true, force: true });
  }
}

const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "");

function openFolder(rootfs: string, source: string): number | undefined {
  const root = openRoot(rootfs);
  try {
    return openInRoot(root, source, { flags: openFlags.read | openFlags.directory });
  } catch (error) {
    if (error instanceof SyscallError && ["ENOENT", "ENOTDIR", "ELOOP"].includes(error.code)) return undefined;
    throw error;
  } finally {
    closeSync(root);
  }
}
