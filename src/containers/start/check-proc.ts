import { EngineError } from "../../base/errors.ts";
import { type Mount, mounts } from "../../kernel/mount.ts";
import type { ContainerPlan } from "../plan.ts";

/** Files of /proc that lxcfs and its kin replace; runc lets users mount these, too. */
const replaceable = new Set([
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/meminfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/uptime",
  "/proc/loadavg",
  "/proc/slabinfo",
  "/proc/net/dev",
  "/proc/sys/kernel/ns_last_pid",
  "/proc/sys/crypto/fips_enabled",
]);

/**
 * Refuses a container that was made and not yet let go when its /proc is not the kernel's own, or something lies over
 * a part of it that is not a mask of ours. Runtimes write security labels there, and masks keep the host's switches
 * away; crun 1.8 lets a volume, or a link in an image or a volume, redirect both (CVE-2019-19921, CVE-2023-27561,
 * CVE-2025-31133 and -52881). What the kernel says was mounted decides, so no race is left.
 */
export function checkProc(pid: number, plan: ContainerPlan): void {
  const found = mountsOf(pid);
  if (found === undefined) return;
  for (const { target } of plan.mounts) {
    if (target.startsWith("/proc/") && !replaceable.has(target)) throw refused(target, "is inside /proc");
  }
  const bad = badProcMount(found, plan.security.maskedPaths);
  if (bad !== undefined) throw refused(bad, bad === "/proc" ? "is not of type proc" : "is inside /proc");
}

/** The first mount at or below /proc that must not be there; undefined = all is well. */
export function badProcMount(found: readonly Mount[], maskedPaths: readonly string[]): string | undefined {
  const own = found.filter(({ target }) => target === "/proc");
  if (own.length === 0) return "/proc";
  return found.find((mount) => !isExpected(mount, maskedPaths))?.target;
}

function isExpected({ target, type, root, options }: Mount, maskedPaths: readonly string[]): boolean {
  // the kernel's own, each part at its own place (read-only ones are bound over themselves)
  if (type === "proc") return root === (target === "/proc" ? "/" : target.slice("/proc".length));
  if (replaceable.has(target)) return true;
  if ((type !== "tmpfs" && type !== "devtmpfs") || !maskedPaths.includes(target)) return false;
  return root === "/null" || (root === "/" && options.split(",").includes("ro"));
}

function mountsOf(pid: number): Mount[] | undefined {
  try {
    return mounts({ pid, under: "/proc" });
  } catch {
    return undefined; // it has ended, which its start will say
  }
}

const refused = (target: string, why: string): EngineError =>
  new EngineError(
    "invalid",
    `failed to create task for container: failed to create shim task: OCI runtime create failed: error mounting to rootfs at "${target}": it cannot be mounted because it ${why}: unknown`,
    { target },
  );
