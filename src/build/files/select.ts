import { closeSync, fstatSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";
import { nameBytes, nodeTypes, statNode } from "../../kernel/fs-node.ts";
import { openFlags } from "../../kernel/openat2.ts";
import { globMatcher } from "../../spec/glob.ts";
import { namesIn, toBytes, toText, tryOpen } from "./source-tree.ts";

/** What to take of a tree. */
export interface Selection {
  /** As written in the Dockerfile: `a*`, `dir/`, `./x/./y`. */
  readonly patterns: readonly string[];
  readonly excludes: readonly string[];
  /** `--parents`: the folders above a source are made in the destination. */
  readonly parents: boolean;
}

/** A source that was found. */
export interface Match {
  /** Path below the root, one character per byte; empty = the root itself. */
  readonly path: string;
  /** Where it goes below the destination, when that is a folder. */
  readonly goesTo: string;
  readonly isFolder: boolean;
}

/** Finds the sources. `not-found` for a path without wildcards that is not there. */
export function selectSources(rootFd: number, selection: Selection): Match[] {
  const excluded = excluder(selection.excludes);
  return selection.patterns.flatMap((pattern) => {
    const { path, pivot } = split(pattern);
    const found = /[*?[\\]/.test(path) ? expandWildcards(rootFd, path) : [path];
    return found.flatMap((match): Match[] => {
      const fd = tryOpen(rootFd, match);
      if (fd === undefined)
        throw new EngineError("not-found", `"/${toText(match)}": not found`, { path: toText(match) });
      try {
        const stat = fstatSync(fd);
        const isFolder = stat.isDirectory();
        const name = match.slice(match.lastIndexOf("/") + 1);
        if (!isFolder && match !== path && (excluded(name) || excluded(match))) return [];
        if (!isFolder && match === path && excluded(name)) return [];
        if (selection.parents) return [{ path: match, goesTo: afterPivot(match, pivot), isFolder }];
        return [{ path: match, goesTo: isFolder ? "" : name, isFolder }];
      } finally {
        closeSync(fd);
      }
    });
  });
}

/** Whether a path below a source is left out. */
export function excluder(patterns: readonly string[]): (path: string) => boolean {
  if (patterns.length === 0) return () => false;
  const rules = patterns.map((pattern) => ({
    keep: pattern.startsWith("!"),
    matches: globMatcher(
      pattern
        .replace(/^!/, "")
        .replace(/^\.?\/+/, "")
        .replace(/\/$/, ""),
    ),
  }));
  return (path) => {
    let out = false;
    for (const { keep, matches } of rules) if (matches(toText(path))) out = !keep;
    return out;
  };
}

/** Without leading slash, `.` and trailing slash; `..` never leaves the root. `/./` marks what `--parents` leaves out. */
function split(pattern: string): { path: string; pivot: string } {
  const at = pattern.indexOf("/./", pattern.startsWith("./") ? 1 : 0);
  return { path: clean(toBytes(pattern)), pivot: at < 0 ? "" : clean(toBytes(pattern.slice(0, at))) };
}

function clean(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}

function afterPivot(path: string, pivot: string): string {
  if (pivot === "") return path;
  const depth = pivot.split("/").length;
  return path.split("/").slice(depth).join("/");
}

/** Paths that a pattern matches, part by part, in byte order. `**` is any number of folders. */
function expandWildcards(rootFd: number, pattern: string): string[] {
  let found = [""];
  const parts = pattern.split("/");
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1;
    if (part === "**") {
      const deep = found.flatMap((path) => [path, ...foldersBelow(rootFd, path)]);
      found = last ? deep.filter((path) => path !== "") : deep;
    } else if (!/[*?[\\]/.test(part))
      found = found.map((path) => join(path, part)).filter((path) => exists(rootFd, path));
    else {
      const matches = globMatcher(toText(part));
      found = found.flatMap((path) =>
        list(rootFd, path)
          .filter((name) => matches(toText(name)))
          .map((name) => join(path, name)),
      );
    }
  }
  return [...new Set(found)];
}

const join = (path: string, name: string): string => (path === "" ? name : `${path}/${name}`);

function exists(rootFd: number, path: string): boolean {
  const fd = tryOpen(rootFd, path);
  if (fd !== undefined) closeSync(fd);
  return fd !== undefined;
}

function list(rootFd: number, path: string): string[] {
  const fd = tryOpen(rootFd, path);
  if (fd === undefined) return [];
  try {
    return fstatSync(fd).isDirectory() ? namesIn(fd) : [];
  } finally {
    closeSync(fd);
  }
}

/** Links are not gone into: they may form circles. */
function foldersBelow(rootFd: number, path: string): string[] {
  const fd = tryOpen(rootFd, path, openFlags.path | openFlags.directory);
  if (fd === undefined) return [];
  try {
    return namesIn(fd)
      .filter((name) => ((statNode(nameBytes(name), fd)?.mode ?? 0) & nodeTypes.mask) === nodeTypes.folder)
      .flatMap((name) => [join(path, name), ...foldersBelow(rootFd, join(path, name))]);
  } finally {
    closeSync(fd);
  }
}
