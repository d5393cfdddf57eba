import { closeSync, fstatSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { bindMount, isMounted } from "../../kernel/mount.ts";
import { openInRoot, openRoot } from "../../kernel/openat2.ts";

/** Where a mount's subpath is pinned: a bind mount in the container's bundle. */
export const subpathTarget = (bundle: string, target: string): string =>
  join(bundle, "sub", new Bun.CryptoHasher("sha256").update(target).digest("hex").slice(0, 12));

/**
 * Pins a folder or file below `root` as a mount of our own, so that whoever writes to the volume cannot swap a path
 * component between our look and the runtime's mount (CVE-2023-25809's class). The kernel walks the path, links
 * included, and never leaves the root.
 */
export async function pinSubpath(root: string, subpath: string, pinned: string, what: string): Promise<string> {
  if (isMounted(pinned)) return pinned;
  const rootFd = openRoot(root);
  let fd = -1;
  try {
    fd = openInRoot(rootFd, subpath);
    if (fstatSync(fd).isDirectory()) await mkdir(pinned, { recursive: true, mode: 0o755 });
    else {
      await mkdir(join(pinned, ".."), { recursive: true, mode: 0o755 });
      await writeFile(pinned, "");
    }
    bindMount(`/proc/self/fd/${fd}`, pinned);
    return pinned;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new EngineError(
      "invalid",
      `cannot access path ${subpath} in ${what}: ${error.code === "ENOENT" ? "no such file or directory" : error.code}`,
      { subpath },
      { cause: error },
    );
  } finally {
    if (fd >= 0) closeSync(fd);
    closeSync(rootFd);
  }
}
