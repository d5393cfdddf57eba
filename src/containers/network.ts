import { EngineError } from "../base/errors.ts";
import type { Attachment, Sandbox } from "../networks/network.ts";
import { type Caller, engineCaller } from "../spec/caller.ts";
import type { EndpointSettings } from "../spec/engine/types.gen.ts";
import type { Container } from "./container.ts";
import { attachment, checkEndpoints } from "./create/network.ts";
import { type ContainerDeps, lockTimeoutMs } from "./deps.ts";
import type { ContainerPlan } from "./plan.ts";
import { refreshEtcFiles } from "./start/etc.ts";
import { sandboxPlan } from "./sandbox-plan.ts";
import { isLive } from "./books/state.ts";

/** Connects a container to a network: at once when it runs, at its next start when it does not (moby parity). */
export async function connectNetwork(
  deps: ContainerDeps,
  ref: string,
  network: string,
  settings: EndpointSettings,
  caller: Caller,
): Promise<void> {
  const { id } = deps.records.get(ref);
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  const container = deps.records.get(id);
  const { name, id: networkId } = deps.networks.get(network);
  checkConnectable(container, name);
  const { plan } = container;
  if (planned(deps, plan, networkId))
    throw new EngineError("forbidden", `endpoint with name ${container.name} already exists in network ${name}`, {
      id,
      network,
    });
  checkEndpoints({ [name]: settings });
  const wanted = attachment(name, settings);
  deps.networks.check(wanted); // a container that does not run shall hear it now, not at its next start
  const after: ContainerPlan["network"] = {
    ...plan.network,
    mode: name === "bridge" && plan.network.mode === "bridge" ? "bridge" : "networks",
    attachments: [...plan.network.attachments, wanted],
  };
  deps.records.change(id, { plan: { ...plan, network: after }, request: withEndpoint(container, name, settings) });
  if (!isLive(container.state) || !container.state.sandbox) return;
  try {
    const sandbox = await deps.networks.connect(container.state.sandbox, sandboxPlan(container, after), wanted, {
      caller,
    });
    await keepSandbox(deps, container, sandbox, caller);
  } catch (error) {
    deps.records.change(id, { plan, request: container.request });
    throw error;
  }
}

/** After a start of the daemon: networks that the container shall have and has not are connected; a crash came between. */
export async function finishConnects(deps: ContainerDeps, id: string): Promise<void> {
  if (missing(deps, id).length === 0) return;
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  for (const wanted of missing(deps, id)) {
    const container = deps.records.get(id);
    if (!container.state.sandbox) return;
    const plan = sandboxPlan(container);
    const sandbox = await deps.networks.connect(container.state.sandbox, plan, wanted, { caller: engineCaller });
    await keepSandbox(deps, container, sandbox, engineCaller);
  }
}

function missing(deps: ContainerDeps, id: string): readonly Attachment[] {
  const { plan, state } = deps.records.get(id);
  if (!isLive(state) || !state.sandbox || !["bridge", "networks"].includes(plan.network.mode)) return [];
  const { endpoints } = state.sandbox;
  return plan.network.attachments.filter(
    ({ network }) =>
      !endpoints.some(({ networkName, networkId }) => networkName === network || networkId.startsWith(network)),
  );
}

/** Takes a container off a network. `force` does it even for a container that is gone (the API looks it up). */
export async function disconnectNetwork(
  deps: ContainerDeps,
  ref: string,
  network: string,
  options: { caller: Caller; force: boolean },
): Promise<void> {
  const { id } = deps.records.get(ref);
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  const container = deps.records.get(id);
  const { name, id: networkId } = deps.networks.get(network);
  const { plan } = container;
  if (plan.network.mode === "host")
    throw new EngineError(
      "forbidden",
      "container cannot be disconnected from host network - container must be created in host network mode",
      { id },
    );
  if (!planned(deps, plan, networkId))
    throw new EngineError("internal", `container ${id} is not connected to network ${name}`, { id, network });
  const attachments = plan.network.attachments.filter((row) => deps.networks.get(row.network).id !== networkId);
  const after: ContainerPlan["network"] = { ...plan.network, mode: "networks", attachments };
  if (isLive(container.state) && container.state.sandbox) {
    const sandbox = await deps.networks.disconnect(container.state.sandbox, sandboxPlan(container, after), networkId, {
      caller: options.caller,
    });
    await keepSandbox(deps, container, sandbox, options.caller);
  }
  deps.records.change(id, { plan: { ...plan, network: after }, request: withoutEndpoint(container, name) });
}

/** The container may have ended while its network was changed: then what its end has closed must not come back. */
async function keepSandbox(
  deps: ContainerDeps,
  { id, state }: Container,
  sandbox: Sandbox,
  caller: Caller,
): Promise<void> {
  const now = deps.records.find(id);
  if (now && isLive(now.state) && now.state.run === state.run) {
    deps.records.setState(id, { ...now.state, sandbox });
    await refreshEtcFiles(deps, now, { before: state.sandbox ?? sandbox, after: sandbox });
  } else await deps.networks.close(id, { caller });
}

function checkConnectable({ plan }: Container, name: string): void {
  const { mode } = plan.network;
  if (mode === "host" || mode === "container") {
    throw new EngineError(
      "invalid",
      "container sharing network namespace with another container or host cannot be connected to any other network",
    );
  }
  if (mode === "none" || name === "none") {
    throw new EngineError(
      "invalid",
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  }
  if (name === "host")
    throw new EngineError(
      "invalid",
      "cannot connect container to host network - container must be created in host network mode",
    );
}

/** Whether the plan has the network, by whatever name it was given. */
function planned(deps: ContainerDeps, plan: ContainerPlan, networkId: string): boolean {
  return plan.network.attachments.some(({ network }) => {
    try {
      return deps.networks.get(network).id === networkId;
    } catch {
      return false; // a network that is gone is not this one
    }
  });
}

function withEndpoint({ request }: Container, name: string, settings: EndpointSettings): Container["request"] {
  return {
    ...request,
    networking: { ...request.networking, EndpointsConfig: { ...request.networking.EndpointsConfig, [name]: settings } },
  };
}

function withoutEndpoint({ request }: Container, name: string): Container["request"] {
  const { [name]: _gone, ...others } = request.networking.EndpointsConfig ?? {};
  return { ...request, networking: { ...request.networking, EndpointsConfig: others } };
}
