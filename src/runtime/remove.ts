import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { crunState, startTicksOf } from "./state.ts";

const cgroupRoot = "/sys/fs/cgroup";
const cgroup2Magic = 0x63677270; // statfs(2)
let controllers: string[] | undefined;

/**
 * Removes what crun keeps of an ended container without running crun (which costs 4 ms): its cgroups and its state
 * folder, cgroups first as crun does, so that whatever fails is still known to crun. False = ask the program: the
 * container lives, has hooks, or a cgroup of it is in use.
 */
export function removeCrun(root: string, id: string): boolean {
  const state = crunState(root, id);
  if (!state || state.systemd || state.cgroupPath === "" || startTicksOf(state.pid) === state.startTicks) return false;
  const folder = join(root, id);
  try {
    if (/"post-?stop"\s*:\s*\[\s*\{/i.test(readFileSync(join(folder, "config.json"), "utf8"))) return false;
    for (const controller of controllers ?? (controllers = controllerFolders()))
      removeCgroup(join(controller, state.cgroupPath));
  } catch {
    return false; // EBUSY, ENOTEMPTY: crun kills and waits
  }
  rmSync(folder, { recursive: true, force: true });
  return !existsSync(folder);
}

/** One folder on v2; on v1 one for each hierarchy. */
function controllerFolders(): string[] {
  if (statfsSync(cgroupRoot).type === cgroup2Magic) return [cgroupRoot];
  return readdirSync(cgroupRoot, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [join(cgroupRoot, entry.name)] : [],
  );
}

function removeCgroup(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
