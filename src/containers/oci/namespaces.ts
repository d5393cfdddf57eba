import type { OciNamespace } from "../../spec/oci/runtime.ts";
import type { ContainerPlan } from "../plan.ts";

export interface NamespacePaths {
  /** Empty = the host's. */
  readonly network: string;
  /** `/proc/<pid>/ns/...` of the container joined; only with `container:` modes. */
  readonly pid?: string;
  readonly ipc?: string;
}

/** A namespace that is not listed is the host's. */
export function buildNamespaces({ namespaces }: ContainerPlan, paths: NamespacePaths): OciNamespace[] {
  const list: OciNamespace[] = [{ type: "mount" }];
  if (paths.network !== "") list.push({ type: "network", path: paths.network });
  if (namespaces.uts === "private") list.push({ type: "uts" });
  if (namespaces.pid !== "host") list.push({ type: "pid", ...joined(namespaces.pid, paths.pid, "PID") });
  if (namespaces.ipc !== "host") list.push({ type: "ipc", ...joined(namespaces.ipc, paths.ipc, "IPC") });
  if (namespaces.cgroup === "private") list.push({ type: "cgroup" });
  return list;
}

/** A missing path must never turn into a fresh namespace, nor an own one into a joined one. */
function joined(
  mode: string | { readonly container: string },
  path: string | undefined,
  kind: string,
): { path?: string } {
  if (typeof mode === "string") return {};
  if (!path) throw new Error(`${kind} namespace of container ${mode.container} has no path`);
  return { path };
}
