import { EngineError } from "../../base/errors.ts";
import { isLive } from "../../containers/books/state.ts";
import { exposureOf, hostAddresses } from "../../networks/exposure.ts";
import type { Network } from "../../networks/network.ts";
import type { IPAMConfig } from "../../spec/engine/types.gen.ts";
import { any, flag, labelsMatch, pattern, readFilters } from "../filters.ts";
import { keptNetworks } from "../prune-filters.ts";
import { Reply, type Routes, shaped } from "../route.ts";
import { networkJson } from "../views/network-json.ts";

const predefined = new Set(["bridge", "host", "none"]);

export const networkRoutes = {
  NetworkList: {
    can: "network:list",
    handle({ deps, query }) {
      const filters = readFilters(query.filters, ["dangling", "driver", "id", "label", "name", "scope", "type"]);
      const dangling = flag(filters, "dangling");
      const list = deps.networks
        .list()
        .filter(
          (network) =>
            any(filters, "driver", (driver) => network.driver === driver) &&
            any(filters, "id", (id) => pattern(id)(network.id)) &&
            any(filters, "name", (name) => pattern(name)(network.name)) &&
            any(filters, "scope", (scope) => scope === "local") &&
            any(filters, "type", (type) => ofType(network, type)) &&
            labelsMatch(filters, network.labels) &&
            (dangling === undefined ||
              dangling === (!predefined.has(network.name) && deps.networks.endpoints(network.id).size === 0)),
        );
      return shaped(list.map((network) => networkJson(network)));
    },
  },

  NetworkInspect: {
    can: "network:read",
    handle({ deps, params, query }) {
      const network = deps.networks.get(params.id);
      if (query.scope !== undefined && query.scope !== "" && query.scope !== "local")
        throw new EngineError("not-found", `network ${params.id} not found`);
      return shaped(networkJson(network, deps.networks.endpoints(network.id)));
    },
  },

  NetworkCreate: {
    can: "network:create",
    async handle({ deps, body, caller }) {
      if (body.ConfigOnly === true || body.ConfigFrom?.Network)
        throw new EngineError("not-implemented", "configuration networks are not available yet");
      if (body.Scope && body.Scope !== "local") throw new EngineError("unavailable", notAManager);
      const { id, warning } = await deps.networks.create({
        name: body.Name ?? "",
        driver: body.Driver || "bridge",
        internal: body.Internal ?? false,
        attachable: body.Attachable ?? false,
        enableIpv4: body.EnableIPv4 ?? true,
        enableIpv6: body.EnableIPv6 ?? false,
        labels: body.Labels ?? {},
        options: body.Options ?? {},
        pools: (body.IPAM?.Config ?? []).map(pool),
        ipamDriver: body.IPAM?.Driver || "default",
        ipamOptions: body.IPAM?.Options ?? {},
        caller,
      });
      return { Id: id, Warning: warning };
    },
  },

  NetworkConnect: {
    can: "network:connect",
    async handle({ deps, params, body, caller }) {
      const network = deps.networks.get(params.id);
      await deps.containers.connectNetwork(body.Container, network.name, body.EndpointConfig ?? {}, { caller });
      return emptyOk();
    },
  },

  NetworkDisconnect: {
    can: "network:connect",
    async handle({ deps, params, body, caller }) {
      const network = deps.networks.get(params.id);
      await deps.containers.disconnectNetwork(body.Container, network.name, { caller, force: body.Force ?? false });
      return emptyOk();
    },
  },

  NetworkDelete: {
    can: "network:remove",
    async handle({ deps, params, caller }) {
      await deps.networks.remove(params.id, { caller });
    },
  },

  NetworkPrune: {
    can: "network:prune",
    async handle({ deps, query, caller }) {
      const removed = await deps.networks.prune({ caller, keep: keptNetworks(deps, query.filters) });
      return shaped({ NetworksDeleted: removed.length === 0 ? null : removed });
    },
  },

  ContainerExposure: {
    can: "container:list",
    handle({ deps, query }) {
      const containers = query.container ? [deps.containers.get(query.container)] : deps.containers.list();
      return containers.flatMap(({ id, name, plan, state }) => {
        if (!state.sandbox || !isLive(state)) return [];
        const ways = exposureOf(plan.network.mode, state.sandbox, {
          addresses: hostAddresses,
          network: (networkId) => deps.networks.list().find((network) => network.id === networkId),
          others: (networkId) => Math.max(0, deps.networks.endpoints(networkId).size - 1),
        });
        return ways.map(({ port, address, reachedBy }) => ({
          Id: id,
          Name: name,
          Port: port,
          Address: address,
          ReachedBy: [...reachedBy],
        }));
      });
    },
  },
} satisfies Partial<Routes>;

/** moby errors.go: what every swarm call answers on a node that is no manager. */
export const notAManager =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

const emptyOk = (): Reply => new Reply((exchange) => exchange.send(200, {}));

function ofType(network: Network, type: string): boolean {
  if (type !== "builtin" && type !== "custom") throw new EngineError("invalid", `invalid filter: 'type'='${type}'`);
  return predefined.has(network.name) === (type === "builtin");
}

const pool = (config: IPAMConfig) => ({
  ...(config.Subnet ? { subnet: config.Subnet } : {}),
  ...(config.Gateway ? { gateway: config.Gateway } : {}),
  ...(config.IPRange ? { ipRange: config.IPRange } : {}),
  ...(config.AuxiliaryAddresses && { auxAddresses: config.AuxiliaryAddresses }),
});
