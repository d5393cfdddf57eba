import { EngineError } from "../../base/errors.ts";
import type { MountPlan } from "../plan.ts";

/** Pairs of words of which the later one wins. */
const opposites = [
  ["ro", "rw"],
  ["exec", "noexec"],
  ["suid", "nosuid"],
  ["dev", "nodev"],
  ["sync", "async"],
  ["atime", "noatime"],
  ["diratime", "nodiratime"],
  ["relatime", "norelatime"],
  ["strictatime", "nostrictatime"],
];
const words = new Set([
  ...opposites.flat(),
  "defaults",
  "private",
  "rprivate",
  "shared",
  "rshared",
  "slave",
  "rslave",
  "unbindable",
  "runbindable",
  "remount",
  "mand",
  "nomand",
  "dirsync",
]);
const valued = new Set(["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", "huge"]);

/** Options of a tmpfs: safe ones first, then the user's, of which the last of a kind counts. Throws for unknown ones. */
export function tmpfsOptions(mount: Extract<MountPlan, { type: "tmpfs" }>): string[] {
  const given = [
    ...(mount.readOnly ? ["ro"] : []),
    ...(mount.tmpfsMode ? [`mode=${mount.tmpfsMode.toString(8)}`] : []),
    ...(mount.sizeBytes ? [`size=${mount.sizeBytes}`] : []),
    ...mount.options,
  ];
  const kept = new Map<string, string>();
  for (const option of ["noexec", "nosuid", "nodev", "rprivate", ...given]) {
    const name = option.split("=", 1)[0] ?? "";
    const known = option.includes("=") ? valued.has(name) : words.has(name);
    if (!known)
      throw new EngineError("invalid", `invalid tmpfs option [${JSON.stringify(option)}]`, { target: mount.target });
    if (name === "defaults") continue;
    const kind = opposites.find((pair) => pair.includes(name))?.join() ?? (option.includes("=") ? name : option);
    kept.delete(kind);
    kept.set(kind, option);
  }
  return [...kept.values()];
}
