import { mounts } from "../kernel/mount.ts";

/** Where this host's cgroup trees are mounted. */
export interface CgroupRoots {
  /** 2 only where version 2 holds the controllers; a hybrid host is 1. */
  readonly version: 1 | 2;
  /** Version 2: the one tree. */
  readonly unified: string;
  /** Version 1: folder of a controller's tree, undefined where it is not mounted. */
  readonly controller: (name: string) => string | undefined;
}

/** Reads the mounts; they do not change while a daemon runs. */
export function readCgroupRoots(under = "/sys/fs/cgroup"): CgroupRoots {
  const controllers = new Map<string, string>();
  let unified = "";
  for (const { target, type, superOptions } of mounts({ under })) {
    if (type === "cgroup2") unified ||= target;
    if (type === "cgroup") for (const option of superOptions.split(",")) controllers.set(option, target);
  }
  return {
    version: controllers.has("memory") || controllers.has("cpu") ? 1 : 2,
    unified,
    controller: (name) => controllers.get(name),
  };
}

let known: CgroupRoots | undefined;
/** The host's, read once. */
export function cgroupRoots(): CgroupRoots {
  known ??= readCgroupRoots();
  return known;
}
