import { EngineError } from "../../base/errors.ts";
import type { HostConfig } from "../../spec/engine/types.gen.ts";
import type { Container } from "../container.ts";
import type { NamespacePlan } from "../plan.ts";
import type { CreateContext } from "./defaults.ts";

const prefix = "container:";

/** The reference in a `container:x` mode, undefined for other modes. */
export const containerOf = (mode: string | null | undefined): string | undefined =>
  mode?.startsWith(prefix) ? mode.slice(prefix.length) : undefined;

/** Modes name containers by id, so that a rename does not break them. What is not found is kept for the start to say. */
export function pinContainer(mode: string | null | undefined, containers: (ref: string) => Container): string {
  const ref = containerOf(mode);
  const found = ref ? findContainer(ref, containers) : undefined;
  return found ? prefix + found.id : (mode ?? "");
}

/** moby parity: a create with a mode of no container succeeds; 404 from it would mean a missing image to clients. */
export function findContainer(ref: string, containers: (ref: string) => Container): Container | undefined {
  try {
    return containers(ref);
  } catch (error) {
    if (error instanceof EngineError && error.kind === "not-found") return undefined;
    throw error;
  }
}

/** Throws Docker's texts for modes that do not exist. */
export function checkModes(host: HostConfig): void {
  const bad = (kind: string, mode: unknown): never => {
    throw new EngineError("invalid", `invalid ${kind}: ${String(mode)}`, { mode });
  };
  const ipc = host.IpcMode ?? "";
  if (!["", "none", "private", "host", "shareable"].includes(ipc) && !containerOf(ipc)) bad("IPC mode", ipc);
  const pid = host.PidMode ?? "";
  if (pid !== "" && pid !== "host" && !containerOf(pid)) bad("PID mode", pid);
  if (!["", "host"].includes(host.UTSMode ?? "")) bad("UTS mode", host.UTSMode);
  if (!["", "host"].includes(host.UsernsMode ?? "")) bad("user namespace mode", host.UsernsMode);
  if (host.CgroupnsMode && !["private", "host"].includes(host.CgroupnsMode))
    bad("cgroup namespace mode", host.CgroupnsMode);
  if (host.Cgroup) bad("cgroup mode", host.Cgroup);
}

/** The namespaces of a container; modes are checked, pinned and defaulted. */
export function planNamespaces(host: HostConfig, context: CreateContext): NamespacePlan {
  const ipc = host.IpcMode ?? "private";
  const pidContainer = containerOf(host.PidMode);
  const ipcContainer = containerOf(ipc);
  return {
    pid: pidContainer === undefined ? (host.PidMode === "host" ? "host" : "private") : { container: pidContainer },
    ipc:
      ipcContainer === undefined
        ? ((["shareable", "host", "none"] as const).find((mode) => mode === ipc) ?? "private")
        : { container: ipcContainer },
    uts: host.UTSMode === "host" ? "host" : "private",
    cgroup: host.CgroupnsMode === "private" && context.defaults.host.cgroupNamespaces ? "private" : "host",
    user: host.UsernsMode === "host" ? "host" : "default",
  };
}
