import { randomUUID } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync, renameSync, writeFileSync } from "node:fs";
import { nameBytes, type NodeStat, nodeTypes, statNode } from "../../kernel/fs-node.ts";
import { openRoot, openFlags } from "../../kernel/openat2.ts";
import { excluder, selectSources, type Selection } from "./select.ts";
import { fsPathAt, keptXattrs, linkTarget, pathAt, type SourceNode, tryOpen, walkBelow } from "./source-tree.ts";

export interface SelectionDigest {
  /** Content and metadata of everything that is selected, times left out: hex of SHA-256. */
  readonly digest: string;
  /** `file`, `dir` or `multi`, as the classic builder names what was copied. */
  readonly shape: "file" | "dir" | "multi";
  /** How many sources were found. */
  readonly sources: number;
}

/** Digests of files that did not change, kept beside a context from one build to the next. */
interface KnownDigests {
  get(node: SourceNode, prefix: string): string | undefined;
  set(node: SourceNode, prefix: string, digest: string): void;
}

/** Digest of what a COPY would take. `not-found` for a source that is not there. */
export function digestSelection(root: string, selection: Selection, knownFile = ""): SelectionDigest {
  const rootFd = openRoot(root);
  const known = readKnown(knownFile);
  const hash = new Bun.CryptoHasher("sha256");
  try {
    const matches = selectSources(rootFd, selection);
    const excluded = excluder(selection.excludes);
    // two names of one file are copied as such
    const names = new Map<bigint, string>();
    const firstName = (node: SourceNode, shown: string): string => {
      const before = names.get(node.stat.inode);
      if (before === undefined) names.set(node.stat.inode, shown);
      return before ?? "";
    };
    for (const match of matches) {
      const entry = (node: SourceNode, shown: string, prefix: string): void =>
        hashNode(hash, node, { shown, sameAs: isLinked(node) ? firstName(node, shown) : "" }, () =>
          contentDigest(node, prefix, known),
        );
      const slash = match.path.lastIndexOf("/");
      const name = match.path.slice(slash + 1);
      hash.update(`source ${match.isFolder ? "folder" : "file"} ${match.goesTo}\0`);
      if (match.isFolder) {
        const fd = tryOpen(rootFd, match.path, openFlags.path | openFlags.directory);
        if (fd === undefined) continue;
        try {
          // a folder that is made by the copy gets the mode and owner of this one
          const own = statNode(nameBytes(`/proc/self/fd/${fd}/.`));
          if (own) entry({ path: "", folderFd: fd, name: ".", stat: own }, "", match.path);
          walkBelow(fd, (node) => {
            if (excluded(node.path)) return false;
            entry(node, node.path, match.path);
            return true;
          });
        } finally {
          closeSync(fd);
        }
      } else {
        const node = followed(rootFd, match.path);
        if (!node) continue;
        try {
          entry({ ...node, path: name }, match.goesTo, slash < 0 ? "" : match.path.slice(0, slash));
        } finally {
          closeSync(node.folderFd);
        }
      }
    }
    known.save();
    const [first] = matches;
    const shape = matches.length !== 1 ? "multi" : first?.isFolder ? "dir" : "file";
    return { digest: hash.digest("hex"), shape, sources: matches.length };
  } finally {
    closeSync(rootFd);
  }
}

/** The file that a path leads to, links followed inside the root; its folder's descriptor is the caller's to close. */
export function followed(rootFd: number, path: string): SourceNode | undefined {
  const fd = tryOpen(rootFd, path);
  if (fd === undefined) return undefined;
  try {
    // the descriptor itself stands for the file: a folder of one name
    const stat = statNode(nameBytes(`/proc/self/fd/${fd}/.`)) ?? undefined;
    if (stat) return { path, folderFd: fd, name: ".", stat };
  } catch {
    // no folder: looked at below
  }
  closeSync(fd);
  return openFile(rootFd, path, 0);
}

/** Goes over links at the end of the path one by one, each resolved by the kernel inside the root. */
function openFile(rootFd: number, path: string, depth: number): SourceNode | undefined {
  const slash = path.lastIndexOf("/");
  const folder = path.slice(0, Math.max(0, slash));
  const name = path.slice(slash + 1);
  const folderFd = tryOpen(rootFd, folder, openFlags.path | openFlags.directory);
  if (folderFd === undefined) return undefined;
  const stat = statNode(nameBytes(name), folderFd);
  if (stat && (stat.mode & nodeTypes.mask) === nodeTypes.link && depth < 40) {
    const target = linkTarget({ folderFd, name });
    closeSync(folderFd);
    return openFile(
      rootFd,
      target.startsWith("/") ? target.slice(1) : folder === "" ? target : `${folder}/${target}`,
      depth + 1,
    );
  }
  if (stat) return { path, folderFd, name, stat };
  closeSync(folderFd);
  return undefined;
}

const isLinked = ({ stat }: SourceNode): boolean => stat.links > 1 && (stat.mode & nodeTypes.mask) !== nodeTypes.folder;

function hashNode(
  hash: Bun.CryptoHasher,
  node: SourceNode,
  { shown, sameAs }: { shown: string; sameAs: string },
  content: () => string,
): void {
  const { stat } = node;
  const type = stat.mode & nodeTypes.mask;
  const isFile = type === nodeTypes.file;
  const link = type === nodeTypes.link ? linkTarget(node) : "";
  const device = type === nodeTypes.character || type === nodeTypes.block ? `${stat.rdevMajor}:${stat.rdevMinor}` : "";
  // a link's own mode is no property of it
  const mode = type === nodeTypes.link ? 0 : stat.mode & 0o7777;
  hash.update(
    `${shown}\0${type >> 12}\0${mode}\0${stat.uid}\0${stat.gid}\0${isFile ? stat.sizeBytes : 0}\0${link}\0${device}\0${sameAs}\0`,
  );
  if (isFile || type === nodeTypes.folder)
    for (const [name, value] of keptXattrs(pathAt(node.folderFd, node.name))) {
      hash.update(`xattr ${name}\0${value.length}\0`);
      hash.update(value);
    }
  if (isFile) hash.update(content());
}

function contentDigest(node: SourceNode, prefix: string, known: KnownDigests): string {
  if (node.stat.sizeBytes === 0) return "";
  const before = known.get(node, prefix);
  if (before !== undefined) return before;
  const hash = new Bun.CryptoHasher("sha256");
  const fd = openSync(fsPathAt(node.folderFd, node.name), "r");
  const buffer = Buffer.alloc(Math.min(512 * 1024, Math.max(4096, node.stat.sizeBytes)));
  try {
    for (;;) {
      const got = readSync(fd, buffer, 0, buffer.length, null);
      if (got === 0) break;
      hash.update(buffer.subarray(0, got));
    }
  } finally {
    closeSync(fd);
  }
  const digest = hash.digest("hex");
  known.set(node, prefix, digest);
  return digest;
}

/** A file is the same when inode, length and times are: the change time cannot be set by programs. */
const identity = (stat: NodeStat): string => `${stat.inode}:${stat.sizeBytes}:${stat.mtimeNs}:${stat.ctimeNs}`;

function readKnown(file: string): KnownDigests & { save(): void } {
  const before = new Map<string, readonly [string, string]>();
  if (file !== "") {
    try {
      const rows: unknown = JSON.parse(readFileSync(file, "utf8"));
      if (Array.isArray(rows))
        for (const [path, seen, digest] of rows as [string, string, string][]) before.set(path, [seen, digest]);
    } catch {
      // none yet, or cut by a crash: everything is read anew
    }
  }
  let changed = false;
  const after = new Map(before);
  return {
    get(node, prefix) {
      const found = before.get(prefix === "" ? node.path : `${prefix}/${node.path}`);
      return found?.[0] === identity(node.stat) ? found[1] : undefined;
    },
    set(node, prefix, digest) {
      changed = true;
      after.set(prefix === "" ? node.path : `${prefix}/${node.path}`, [identity(node.stat), digest]);
    },
    save() {
      if (file === "" || !changed) return;
      // two steps may read one context at once, each in a thread of its own: the last one's list stays
      const written = `${file}.${randomUUID()}`;
      writeFileSync(written, JSON.stringify([...after].map(([path, [seen, digest]]) => [path, seen, digest])));
      renameSync(written, file);
    },
  };
}
