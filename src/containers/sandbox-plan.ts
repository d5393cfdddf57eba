import type { SandboxPlan } from "../networks/network.ts";
import type { ContainerPlan } from "./plan.ts";

/** What the networks must know of a container, whatever of its plan it comes from. */
export const sandboxPlan = (
  { id, name, plan }: { readonly id: string; readonly name: string; readonly plan: ContainerPlan },
  network: ContainerPlan["network"] = plan.network,
): SandboxPlan => ({
  ...network,
  containerId: id,
  containerName: name,
  hostname: plan.hostname,
  nameservers: plan.resolv.nameservers,
});
