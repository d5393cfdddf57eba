import { closeSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { nameBytes, nodeTypes, statNode, tryRenameInto, tryRmdir, tryUnlink } from "../kernel/fs-node.ts";

/**
 * Deletes a tree in a trash folder, whatever its depth: folders within it are moved up beside it first, so no path is
 * ever longer than two names, no descriptor and no stack grows with the depth, and a stop at any moment leaves only
 * pieces in the trash. Gives how many pieces could not be deleted (busy, immutable).
 */
export function emptyTrash(folder: string, name: string): number {
  const fd = openSync(folder, "r");
  let left = 0;
  let moved = 0;
  const queue = [name];
  // pieces that an earlier process left have other names
  const own = `${name.split(".")[0]}.${Date.now().toString(36)}`;
  try {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const path = join(folder, next);
      const bytes = Buffer.from(path).toString("latin1");
      const node = statNode(nameBytes(bytes));
      if (!node) continue;
      if ((node.mode & nodeTypes.mask) !== nodeTypes.folder) {
        if (tryUnlink(nameBytes(bytes)) !== 0) left++;
        continue;
      }
      let stuck = false;
      for (const child of readdirSync(path, { encoding: "buffer" })) {
        const below = nameBytes(`${bytes}/${Buffer.from(child).toString("latin1")}`);
        // unlink(2) of a folder is EISDIR: one call for what most entries are
        if (tryUnlink(below) === 0) continue;
        const place = `${own}.${++moved}`;
        if (tryRenameInto(below, fd, nameBytes(place)) === 0) queue.push(place);
        else stuck = true;
      }
      if (stuck || tryRmdir(nameBytes(bytes)) !== 0) left++;
    }
  } finally {
    closeSync(fd);
  }
  return left;
}
