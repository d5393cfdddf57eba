import type { ContainerPlan } from "../plan.ts";
import type { SpecHost } from "./host.ts";

/**
 * Sysctls of a container. In a network namespace of its own, ping needs no capability and no port is privileged
 * (moby parity); what the user says comes over that.
 */
export function buildSysctls(plan: ContainerPlan, host: SpecHost): Record<string, string> {
  const ownNetwork = plan.network.mode !== "host" && plan.network.mode !== "container";
  return {
    // the runtime spec 1.0 has no field for the NIS domain, this sysctl is the same
    ...(plan.domainname && plan.namespaces.uts === "private" ? { "kernel.domainname": plan.domainname } : {}),
    ...(ownNetwork && host.pingGroupRange ? { "net.ipv4.ping_group_range": "0 2147483647" } : {}),
    ...(ownNetwork && host.unprivilegedPortStart ? { "net.ipv4.ip_unprivileged_port_start": "0" } : {}),
    ...plan.sysctls,
  };
}
