import { posix } from "node:path";

/** `/a/b/.` means the contents of b: the dot survives cleaning. */
export function splitEntry(path: string): { folder: string; base: string } {
  const cleaned = meansContents(path) ? `${clean(path).replace(/\/$/, "")}/.` : clean(path);
  const slash = cleaned.lastIndexOf("/");
  return { folder: cleaned.slice(0, slash === 0 ? 1 : Math.max(slash, 0)) || ".", base: cleaned.slice(slash + 1) };
}

/** Go's filepath.Clean. */
export const clean = (path: string): string => {
  const normal = posix.normalize(path);
  return normal.length > 1 ? normal.replace(/\/$/, "") : normal;
};

/** Ends in `.`: what is in the folder, not the folder. */
export const meansContents = (path: string): boolean => posix.basename(path) === ".";

/** Ends in `/` or `/.`: the user says that it is a folder. */
export const saysFolder = (path: string): boolean => path.endsWith("/") || meansContents(path);

/** Makes `path` absolute against `cwd` and keeps its `/` or `/.` at the end, which mean something. */
export function absolute(path: string, cwd: string): string {
  const full = clean(posix.isAbsolute(path) ? path : posix.join(cwd, path));
  if (meansContents(path)) return full === "/" ? "/." : `${full}/.`;
  return path.endsWith("/") && full !== "/" ? `${full}/` : full;
}

/** The name the user wrote, where what it led to has another one. */
export function rebaseName(written: string, resolved: string): { path: string; name: string | undefined } {
  let path = resolved;
  if (meansContents(written) && !meansContents(path)) path += "/.";
  if (written.endsWith("/") && !path.endsWith("/")) path += "/";
  const name = posix.basename(written);
  return { path, name: name === posix.basename(path) ? undefined : name };
}

export interface Source {
  readonly path: string;
  readonly isFolder: boolean;
  readonly rebase?: string | undefined;
}

export interface Destination {
  readonly path: string;
  readonly exists: boolean;
  readonly isFolder: boolean;
}

export interface Placement {
  /** Folder to unpack into. */
  readonly folder: string;
  /** First part of every name in the archive, and what it becomes. */
  readonly rename?: { readonly from: string; readonly to: string };
}

/** Where a copy lands and under which name: docker's rules (cp's own, less one). */
export function place(source: Source, destination: Destination): Placement {
  const from = source.rebase ?? splitEntry(source.path).base;
  const { folder, base: to } = splitEntry(destination.path);
  if (destination.exists && destination.isFolder) return { folder: destination.path };
  if (destination.exists && source.isFolder) throw new Error("cannot copy directory");
  if (!destination.exists && !source.isFolder && saysFolder(destination.path)) throw new Error("no such directory");
  return { folder, rename: { from, to } };
}

/** An entry's name after a placement; "/" as the source stands for nothing. */
export function renamed(name: string, rename: Placement["rename"]): string {
  if (rename === undefined) return name;
  if (rename.from === "/" || rename.from === "") return posix.join(rename.to, name);
  return name === rename.from || name.startsWith(`${rename.from}/`) ? rename.to + name.slice(rename.from.length) : name;
}
