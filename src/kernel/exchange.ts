import { check, cstring, symbols } from "./call.ts";

const libc = symbols({ renameat2: { args: ["int", "ptr", "int", "ptr", "u32"], returns: "int" } });

/** Swaps two paths of one file system in one step: at no moment is either of them missing. renameat2(2), RENAME_EXCHANGE */
export function exchangePaths(one: string, other: string): void {
  const [a, b] = [cstring(one), cstring(other)];
  check("renameat2", () => libc.renameat2(-100, a, -100, b, 2), one);
}

/** Renames, and fails with EEXIST where the new path is taken. renameat2(2), RENAME_NOREPLACE */
export function renameNew(from: string, to: string): void {
  const [a, b] = [cstring(from), cstring(to)];
  check("renameat2", () => libc.renameat2(-100, a, -100, b, 1), to);
}
