import { readdirSync } from "node:fs";
import { nameBytes, type NodeStat, statNode } from "../../kernel/fs-node.ts";
import { getXattr } from "../../kernel/xattr.ts";
import type { Change } from "../snapshotter.ts";
import { isFolder, isWhiteout, pathOf, walkTree } from "../tree/walk.ts";

interface Below {
  /** Lower folders that lie under this one, topmost first. */
  readonly lowers: readonly string[];
  /** An opaque folder is above: the lower ones are not seen, what they hold is removed. */
  readonly hidden: boolean;
}

/**
 * What lies in `upper` against the lower layers (topmost first), sorted by path. The kinds are Docker's: a folder
 * whose owner and mode are the lower one's is listed only for what was added or removed in it.
 */
export async function upperChanges(
  upper: string,
  lower: readonly string[],
  options: { signal?: AbortSignal } = {},
): Promise<readonly Change[]> {
  const changes = new Map<string, Change["kind"]>();
  const visited = new Set<string>();
  const hiding = new Map<string, readonly string[]>();
  const note = (path: string, kind: Change["kind"]): void => {
    changes.set(path, kind);
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (kind !== "modified" && parent !== "" && !changes.has(parent)) changes.set(parent, "modified");
  };
  const top: Below = { lowers: lower.map((folder) => Buffer.from(folder).toString("latin1")), hidden: false };
  await walkTree(
    upper,
    top,
    (node, { lowers, hidden }) => {
      if (node.path === "") return top;
      visited.add(node.path);
      const name = node.path.slice(node.path.lastIndexOf("/") + 1);
      const before = lookup(lowers, name);
      const folder = isFolder(node.stat);
      if (isWhiteout(node.stat)) note(node.path, "deleted");
      else if (!before) note(node.path, "added");
      else if (!folder || !isFolder(before) || !sameFolder(node.stat, before)) note(node.path, "modified");
      if (!folder) return top;
      const below = { lowers: merged(lowers, name), hidden: hidden || isOpaque(pathOf(node)) };
      if (below.hidden) hiding.set(node.path, below.lowers);
      return below;
    },
    options,
  );
  for (const [path, lowers] of hiding) {
    for (const name of new Set(lowers.flatMap(namesIn))) {
      if (!visited.has(`${path}/${name}`) && lookup(lowers, name)) note(`${path}/${name}`, "deleted");
    }
  }
  return [...changes]
    .map(([path, kind]) => ({ path: `/${Buffer.from(path, "latin1").toString("utf8")}`, kind }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

const namesIn = (folder: string): string[] =>
  readdirSync(Buffer.from(folder, "latin1"), { encoding: "buffer" }).map((name) =>
    Buffer.from(name).toString("latin1"),
  );

/** What the lower layers show under a name. */
function lookup(lowers: readonly string[], name: string): NodeStat | undefined {
  for (const folder of lowers) {
    const stat = statNode(nameBytes(`${folder}/${name}`));
    if (stat) return isWhiteout(stat) ? undefined : stat;
  }
  return undefined;
}

/** The lower folders that are merged under a name, as overlayfs does it. */
function merged(lowers: readonly string[], name: string): string[] {
  const folders: string[] = [];
  for (const folder of lowers) {
    const path = `${folder}/${name}`;
    const stat = statNode(nameBytes(path));
    if (!stat) continue;
    if (!isFolder(stat)) break;
    folders.push(path);
    if (isOpaque(nameBytes(path))) break;
  }
  return folders;
}

export const isOpaque = (path: Buffer): boolean => getXattr(path, "trusted.overlay.opaque")?.toString() === "y";

const sameFolder = (a: NodeStat, b: NodeStat): boolean => a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
