import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BlkioEntry } from "./stats.ts";

/** The text of a cgroup file; empty when the cgroup or the file is not there: a container may end while it is read. */
export async function cgroupFile(folder: string | undefined, name: string): Promise<string> {
  if (folder === undefined) return "";
  try {
    return await readFile(join(folder, name), "utf8");
  } catch {
    return ""; // gone, or the kernel does not have it: a sample has zeros there
  }
}

/** A file of one number; `max` and nothing are 0. */
export const oneNumber = (text: string): number => Number(/^\d+/.exec(text)?.[0] ?? 0);

/** Lines of `name number`. */
export function namedNumbers(text: string): Record<string, number> {
  return Object.fromEntries([...text.matchAll(/^([\w.]+) (\d+)$/gm)].map(([, name, value]) => [name, Number(value)]));
}

/** Version 1: lines of `8:0 Read 4096`; the grand total has no device. */
export function blkioLines(text: string): BlkioEntry[] {
  return [...text.matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm)].map(([, major, minor, op = "", value]) => ({
    major: Number(major),
    minor: Number(minor),
    op,
    value: Number(value),
  }));
}

/** Version 2, io.stat: lines of `8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...`; takes the pair of names given. */
export function ioStatLines(text: string, names: Readonly<Record<string, string>>): BlkioEntry[] {
  return [...text.matchAll(/^(\d+):(\d+) (.*)$/gm)].flatMap(([, major, minor, rest = ""]) =>
    rest.split(" ").flatMap((word) => {
      const [name = "", value] = word.split("=");
      const op = names[name];
      return op === undefined ? [] : [{ major: Number(major), minor: Number(minor), op, value: Number(value) }];
    }),
  );
}
