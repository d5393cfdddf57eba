import { closeSync } from "node:fs";
import { EngineError } from "../base/errors.ts";
import { SyscallError } from "../kernel/call.ts";
import { openFlags, openInRoot, openRoot } from "../kernel/openat2.ts";

/**
 * Copies what a container's root file system has in the folder `source` into `target`: owners, modes, times, extended
 * attributes, hard links and the folder's own attributes. The kernel resolves `source` inside the root: links of an
 * image cannot lead out. Nothing happens when there is no such folder.
 */
export async function copyTree({
  rootfs,
  source,
  target,
}: {
  rootfs: string;
  source: string;
  target: string;
}): Promise<void> {
  const folder = openFolder(rootfs, source);
  if (folder === undefined) return;
  try {
    // The copy sees the folder as descriptor 3, so nobody can swap a path under it.
    const child = Bun.spawn(["/bin/cp", "-a", "--reflink=auto", "--", "/proc/self/fd/3/.", target], {
      stdio: ["ignore", "ignore", "pipe", folder],
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
  } finally {
    closeSync(folder);
  }
}

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
