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

/** The processes of a create that failed may take a moment to go. */
const busyMs = 1_000;

/** Removes the empty cgroup folders that a bundle's config.json names, of all controllers. Never throws. */
export async function removeCgroupsOf(bundle: string): Promise<void> {
  const path = cgroupsPathOf(bundle);
  if (path === undefined) return;
  const deadline = Date.now() + busyMs;
  for (const controller of controllers ?? (controllers = controllerFolders())) {
    for (;;) {
      try {
        removeCgroup(join(controller, path));
      } catch {
        if (Date.now() < deadline) {
          await Bun.sleep(10);
          continue;
        }
      }
      break; // gone, or in use for good: the next create of this container uses it again
    }
  }
}

function cgroupsPathOf(bundle: string): string | undefined {
  try {
    const config = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8")) as {
      linux?: { cgroupsPath?: unknown };
    };
    const path = config.linux?.cgroupsPath;
    // `slice:prefix:name` is systemd's to remove
    return typeof path === "string" && /[^/.]/.test(path) && !path.includes(":") && !path.split("/").includes("..")
      ? path
      : undefined;
  } catch {
    return undefined; // no bundle: nothing was created
  }
}

function removeCgroup(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
