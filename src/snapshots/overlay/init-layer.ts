import { closeSync, mkdirSync, openSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/**
 * The lowest layer of every container: places that the runtime mounts upon, for images without them. Below the
 * image, so that the image's own win and `diff` never shows them.
 */
export function makeInitLayer(root: string): void {
  mkdirSync(root, { recursive: true, mode: 0o755 });
  for (const folder of ["dev", "dev/pts", "dev/shm", "proc", "sys", "etc"])
    mkdirSync(join(root, folder), { recursive: true, mode: 0o755 });
  for (const file of ["dev/console", "etc/hosts", "etc/hostname", "etc/resolv.conf", ".dockerenv"])
    closeSync(openSync(join(root, file), "a", file === "dev/console" || file === ".dockerenv" ? 0o755 : 0o644));
  try {
    symlinkSync("/proc/mounts", join(root, "etc/mtab"));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}
