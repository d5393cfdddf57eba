import { renameSync } from "node:fs";
import { join } from "node:path";
import { newId } from "../base/id.ts";
import { unmountAll } from "../kernel/mount.ts";
import { removedPrefix, type VolumeBooks } from "./books.ts";

/** Takes a volume's folder out of sight at once; undefined when it is gone already. */
export function setAside({ root }: Pick<VolumeBooks, "root">, folder: string): string | undefined {
  const aside = join(root, `${removedPrefix}${newId().slice(0, 16)}`);
  try {
    renameSync(folder, aside);
    return aside;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Deletes in the background. `rm` walks by descriptors: trees deeper than a path can name go too. */
export function erase({ options }: Pick<VolumeBooks, "options">, folder: string): void {
  unmountAll(folder); // what a driver mounted there is not ours to delete
  const child = Bun.spawn(["/bin/rm", "-rf", "--one-file-system", "--", folder], {
    stdio: ["ignore", "ignore", "ignore"],
    cwd: "/",
  });
  child.unref();
  void child.exited.then((status) => {
    if (status !== 0) options.log("warn", "a removed volume's files could not all be deleted", { folder });
  });
}
