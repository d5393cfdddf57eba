import { EngineError, errorMessage } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import type { Caller } from "../spec/caller.ts";
import type { CreateParts } from "./create-network.ts";
import { draftEndpoint, interfaceNameFor } from "./draft-sandbox.ts";
import { checkLimits } from "./egress/limits.ts";
import type { Attachment, Sandbox, SandboxPlan } from "./network.ts";
import type { ChangeCommand } from "./sandbox/commands.ts";
import { type AttachedEndpoint, gatewayOf, sandboxOf, type SandboxRow } from "./sandbox/sandbox-row.ts";

export type LiveParts = Pick<CreateParts, "catalog" | "kernel" | "sandboxes" | "firewall">;

/** Attaches a running container to one more network. Docker's texts. */
export async function connect(
  parts: CreateParts,
  wish: { sandbox: Sandbox; plan: SandboxPlan; attachment: Attachment; caller: Caller },
): Promise<Sandbox> {
  const { plan, attachment } = wish;
  const row = rowOf(parts, plan);
  const entry = parts.catalog.get(attachment.network);
  if (row.mode === "container") {
    throw new EngineError(
      "invalid",
      "container sharing network namespace with another container or host cannot be connected to any other network",
    );
  }
  if (row.mode === "host" || entry.network.driver === "host") {
    throw new EngineError("invalid", "container cannot be disconnected from host network or connected to host network");
  }
  if (row.mode === "none" || entry.network.driver === "null") {
    throw new EngineError(
      "invalid",
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  }
  if (row.endpoints.some(({ networkId }) => networkId === entry.network.id)) {
    throw new EngineError(
      "forbidden",
      `endpoint with name ${row.containerName} already exists in network ${entry.network.name}`,
    );
  }
  checkLimits(entry, plan);
  const used = new Set(row.endpoints.map(({ interfaceName }) => interfaceName));
  const draft = draftEndpoint(parts.catalog, entry, attachment, {
    plan: {
      containerId: row.containerId,
      containerName: row.containerName,
      ...(row.hostname === undefined ? {} : { hostname: row.hostname }),
    },
    interfaceName: interfaceNameFor(entry.network, attachment, used),
    withHiddenIpv6: parts.ipv6 && plan.ports.length > 0,
  });
  let endpoint = draft;
  try {
    endpoint = await parts.sandboxes.plug(row, draft);
    const next = withEndpoints(parts, row, [...row.endpoints, endpoint], plan);
    await change(parts, row, next, { add: [endpoint], remove: [] });
    parts.sandboxes.publishEvents("connect", next, wish.caller, [endpoint]);
    return sandboxOf(next);
  } catch (error) {
    release(parts, draft);
    if (endpoint !== draft) await parts.sandboxes.unplug(row, endpoint);
    throw error;
  }
}

/** Detaches a running container from a network. Docker's texts. */
export async function disconnect(
  parts: CreateParts,
  wish: { sandbox: Sandbox; plan: SandboxPlan; networkId: string; caller: Caller },
): Promise<Sandbox> {
  const { plan } = wish;
  const row = rowOf(parts, plan);
  const { network } = parts.catalog.get(wish.networkId);
  const endpoint = row.endpoints.find(({ networkId }) => networkId === network.id);
  if (network.driver === "host") {
    throw new EngineError("invalid", "container cannot be disconnected from host network or connected to host network");
  }
  if (endpoint === undefined) {
    throw new EngineError("internal", `container ${row.containerId} is not connected to network ${network.name}`);
  }
  await parts.sandboxes.unplug(row, endpoint);
  const next = withEndpoints(
    parts,
    row,
    row.endpoints.filter((other) => other !== endpoint),
    plan,
  );
  await change(parts, row, next, { add: [], remove: [endpoint.interfaceName] });
  release(parts, endpoint);
  parts.sandboxes.publishEvents("disconnect", next, wish.caller, [endpoint]);
  return sandboxOf(next);
}

/**
 * A connect or disconnect was cut by the engine's end: what the row and the container's own state do not both have is
 * taken away, in the kernel too. Gives the sandbox as it is then; undefined = both agree.
 */
export async function reconcile(parts: LiveParts, row: SandboxRow, sandbox: Sandbox): Promise<Sandbox | undefined> {
  const kept = row.endpoints.filter(({ id }) => sandbox.endpoints.some((other) => other.id === id));
  const lost = sandbox.endpoints.filter(({ id }) => !row.endpoints.some((other) => other.id === id));
  const cut = row.endpoints.filter((endpoint) => !kept.includes(endpoint));
  if (cut.length + lost.length === 0 || row.path === "") return undefined;
  for (const endpoint of cut) await parts.sandboxes.unplug(row, endpoint).catch(() => undefined); // it may never have been plugged in
  const gatewayNetworkId = gatewayOf(kept)?.networkId ?? "";
  const next = { ...row, endpoints: kept, gatewayNetworkId, ports: gatewayNetworkId === "" ? [] : row.ports };
  const present = (await parts.kernel.call({ op: "links", path: row.path })) as readonly { name: string }[];
  const names = new Set([...cut, ...lost].map(({ interfaceName }) => interfaceName));
  for (const { interfaceName } of kept) names.delete(interfaceName);
  await change(parts, row, next, {
    add: [],
    remove: present.map(({ name }) => name).filter((name) => names.has(name)),
    // which of them the kernel has is not known
    routes: true,
  });
  for (const endpoint of cut) release(parts, endpoint);
  return sandboxOf(next);
}

function rowOf({ sandboxes }: CreateParts, plan: SandboxPlan): SandboxRow {
  const row = sandboxes.rows.get(plan.containerId);
  if (row === undefined) throw new EngineError("conflict", `container ${plan.containerId} is not running`);
  return row;
}

/** The row with other endpoints. Ports stay with the container; without a gateway there are none. */
function withEndpoints(
  { sandboxes }: CreateParts,
  row: SandboxRow,
  endpoints: readonly AttachedEndpoint[],
  plan: SandboxPlan,
): SandboxRow {
  const gatewayNetworkId = gatewayOf(endpoints)?.networkId ?? "";
  const ports =
    gatewayNetworkId === "" ? [] : row.ports.length > 0 ? row.ports : sandboxes.allocatePorts(row, endpoints, plan);
  return { ...row, endpoints, gatewayNetworkId, ports };
}

async function change(
  parts: LiveParts,
  row: SandboxRow,
  next: SandboxRow,
  links: { add: readonly AttachedEndpoint[]; remove: readonly string[]; routes?: boolean },
): Promise<void> {
  const { sandboxes } = parts;
  sandboxes.replace(row, next);
  try {
    fault("network.change.after-row");
    const moved = links.routes === true || row.gatewayNetworkId !== next.gatewayNetworkId;
    const gateway = next.endpoints.find(({ networkId }) => networkId === next.gatewayNetworkId);
    const routes = [gateway?.ipv4Gateway ?? "", gateway?.ipv6Gateway ?? ""].filter((text) => text !== "");
    const nothing = { ...sandboxes.publishCommand(next), holds: [], elements: [] };
    const command: ChangeCommand = {
      path: row.path,
      add: links.add.flatMap((endpoint) => sandboxes.link(next, endpoint, false) ?? []),
      remove: links.remove,
      gateways:
        moved && gateway !== undefined ? routes.map((route) => ({ name: gateway.interfaceName, gateway: route })) : [],
      unpublish: moved ? sandboxes.publishCommand(row) : nothing,
      publish: moved ? sandboxes.publishCommand(next) : nothing,
      ...sandboxes.egress(next),
    };
    await parts.kernel.call({ op: "change", change: command });
    fault("network.change.after-kernel");
    if (moved) await sandboxes.moveRelays(row, next);
    await sandboxes.tellNames(next);
  } catch (error) {
    sandboxes.replace(next, row);
    await parts.firewall.install();
    if (error instanceof EngineError) throw error;
    throw new EngineError(
      "internal",
      `cannot change the networks of container ${row.containerName}: ${errorMessage(error)}`,
      {},
      { cause: error },
    );
  }
}

function release({ catalog }: LiveParts, endpoint: AttachedEndpoint): void {
  catalog.release(endpoint.networkId, endpoint.ipv4);
  catalog.release(endpoint.networkId, endpoint.ipv6);
}
