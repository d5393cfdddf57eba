import { EngineError } from "../../base/errors.ts";
import type { NamespacePlan } from "../plan.ts";

/** Sysctls that live in the IPC namespace: ipc_namespaces(7). The rest of kernel.* is the host's. */
const ipcSysctls = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);
/** In the UTS namespace, writable without touching the host. */
const utsSysctls = new Set(["kernel.domainname", "kernel.hostname"]);

/**
 * The sysctls of a container: only those that end at its namespaces. Slashes are taken for dots, as sysctl(8) does.
 * Throws for every other one, so that no start can change the host.
 */
export function planSysctls(
  rows: Readonly<Record<string, string>>,
  namespaces: NamespacePlan,
  hostNetwork: boolean,
): Record<string, string> {
  const sysctls: Record<string, string> = {};
  for (const [given, value] of Object.entries(rows)) {
    const name = given.includes(".") ? given : given.replaceAll("/", ".");
    const refuse = (why: string): never => {
      throw new EngineError("invalid", `sysctl "${given}" ${why}`, { sysctl: given });
    };
    if (!/^[\w.\-/@]+$/.test(name) || name.split(/[./]/).includes("")) refuse("is not a valid name");
    if (name.startsWith("net.")) {
      if (hostNetwork) refuse("not allowed in host network namespace");
    } else if (ipcSysctls.has(name) || name.startsWith("fs.mqueue.")) {
      if (namespaces.ipc === "host") refuse("not allowed in host IPC namespace");
    } else if (utsSysctls.has(name)) {
      if (namespaces.uts === "host") refuse("not allowed in host UTS namespace");
    } else {
      refuse("is not in a separate kernel namespace");
    }
    sysctls[name] = value;
  }
  return sysctls;
}
