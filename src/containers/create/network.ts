import { isIP } from "node:net";
import { EngineError } from "../../base/errors.ts";
import type { Attachment } from "../../networks/network.ts";
import type { ContainerConfig, EndpointSettings, HostConfig } from "../../spec/engine/types.gen.ts";
import type { ContainerPlan } from "../plan.ts";
import { containerOf } from "./namespaces.ts";
import { planNetLimits } from "./net-limits.ts";
import { planPorts } from "./ports.ts";

type Endpoints = Readonly<Record<string, EndpointSettings>>;

const predefined = new Set(["bridge", "host", "none", "default"]);
/** A network of the user's own making, as far as its name tells. */
export const isUserDefined = (mode: string): boolean =>
  mode !== "" && !predefined.has(mode) && containerOf(mode) === undefined;

/** Throws Docker's texts for options that cannot go with the network mode. Reads the request before any default. */
export function checkNetworkMode(config: ContainerConfig, host: HostConfig): void {
  const mode = host.NetworkMode ?? "";
  const conflict = (text: string): never => {
    throw new EngineError("invalid", text, { mode });
  };
  if (mode === "container" || mode.startsWith("container:")) {
    if (!containerOf(mode)) conflict("invalid network mode: invalid container format container:<name|id>");
    if (config.Hostname) conflict("conflicting options: hostname and the network mode");
    if (host.Links?.length)
      conflict(
        "conflicting options: container type network can't be used with links. This would result in undefined behavior",
      );
    if (host.Dns?.length) conflict("conflicting options: dns and the network mode");
    if (host.ExtraHosts?.length) conflict("conflicting options: custom host-to-IP mapping and the network mode");
    if (host.PublishAllPorts || Object.keys(host.PortBindings ?? {}).length > 0)
      conflict("conflicting options: port publishing and the container type network mode");
    if (Object.keys(config.ExposedPorts ?? {}).length > 0)
      conflict("conflicting options: port exposing and the container type network mode");
  }
  if (host.UTSMode === "host" && config.Hostname) conflict("conflicting options: hostname and the UTS mode");
  if (mode === "host" && host.Links?.length)
    conflict(
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
}

/** Throws Docker's texts for bad endpoint settings; all networks' troubles in one message. */
export function checkEndpoints(endpoints: Endpoints): void {
  const troubles = Object.entries(endpoints).flatMap(([name, endpoint]) => {
    if (!endpoint) return [`invalid config for network ${name}: EndpointsConfig is nil`];
    if (endpoint.MacAddress && !isMac(endpoint.MacAddress))
      return [`invalid config for network ${name}: invalid MAC address ${endpoint.MacAddress}`];
    const found = endpointTroubles(name, endpoint);
    return found.length === 0
      ? []
      : [`invalid config for network ${name}: invalid endpoint settings:\n${listed(found)}`];
  });
  if (troubles.length > 0) throw new EngineError("invalid", listed(troubles));
}

function endpointTroubles(name: string, endpoint: EndpointSettings): string[] {
  const { IPv4Address, IPv6Address, LinkLocalIPs } = endpoint.IPAMConfig ?? {};
  const troubles: string[] = [];
  if (!isUserDefined(name)) {
    if (IPv4Address || IPv6Address)
      troubles.push("user-specified IP address is supported on user-defined networks only");
    if (endpoint.Aliases?.length)
      troubles.push("network-scoped alias is supported only for containers in user defined networks");
  }
  if (IPv4Address && isIP(IPv4Address) !== 4) troubles.push(`invalid IPv4 address: ${IPv4Address}`);
  if (IPv6Address && isIP(IPv6Address) !== 6) troubles.push(`invalid IPv6 address: ${IPv6Address}`);
  for (const address of LinkLocalIPs ?? []) {
    if (isIP(address) === 0) troubles.push(`invalid link-local IP address: ${address}`);
  }
  return troubles;
}

/** One trouble stands alone, several are a list (moby's multierror). */
const listed = (troubles: readonly string[]): string =>
  troubles.length === 1 ? (troubles[0] ?? "") : troubles.map((text) => `* ${text}`).join("\n");

const isMac = (text: string): boolean => /^[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}$/i.test(text);

/** `default` (and nothing) means the bridge; its endpoint settings move along. Gives both as inspect shows them. */
export function settleNetworkMode(host: HostConfig, endpoints: Endpoints): { mode: string; endpoints: Endpoints } {
  const mode = host.NetworkMode ?? "";
  if (mode !== "" && mode !== "default") return { mode, endpoints };
  const { default: renamed, ...others } = endpoints;
  return { mode: "bridge", endpoints: renamed === undefined ? endpoints : { ...others, bridge: renamed } };
}

/** The network part of a plan; the mode is settled and pinned. */
export function planNetwork(
  config: ContainerConfig,
  host: HostConfig,
  endpoints: Endpoints,
  sysctls: Readonly<Record<string, string>>,
): ContainerPlan["network"] {
  const mode = host.NetworkMode ?? "bridge";
  const shared = containerOf(mode);
  const netSysctls = Object.fromEntries(Object.entries(sysctls).filter(([name]) => name.startsWith("net.")));
  const none = { attachments: [], ports: [], sysctls: {} };
  const limits = planNetLimits(host, mode);
  if (config.NetworkDisabled) return { ...none, mode: "none" };
  if (shared !== undefined) return { ...none, mode: "container", sharedWith: shared };
  const names = Object.keys(endpoints);
  if (mode === "host" || mode === "none") {
    if (names.some((name) => name !== mode)) {
      const text =
        mode === "host"
          ? "container sharing network namespace with another container or host cannot be connected to any other network"
          : "container cannot be connected to multiple networks with one of the networks in private (none) mode";
      throw new EngineError("invalid", text, { networks: names });
    }
    return { ...none, mode, sysctls: mode === "none" ? netSysctls : {} };
  }
  for (const name of names) {
    if (name === "host")
      throw new EngineError(
        "invalid",
        "cannot connect container to host network - container must be created in host network mode",
      );
    if (name === "none")
      throw new EngineError(
        "invalid",
        "container cannot be connected to multiple networks with one of the networks in private (none) mode",
      );
  }
  const rows = names.length === 0 ? [[mode, {}] as const] : Object.entries(endpoints);
  return {
    mode: rows.every(([name]) => name === "bridge") ? "bridge" : "networks",
    // the network of the mode comes first: it is eth0 (moby parity)
    attachments: rows
      .map(([name, endpoint]) => attachment(name, endpoint))
      .sort((a, b) => Number(b.network === mode) - Number(a.network === mode)),
    ports: planPorts(config, host),
    sysctls: netSysctls,
    ...limits,
  };
}

/** One endpoint of the wire as the networks feature takes it; used by `network connect` too. */
export function attachment(network: string, endpoint: EndpointSettings): Attachment {
  const { IPv4Address, IPv6Address, LinkLocalIPs } = endpoint.IPAMConfig ?? {};
  return {
    network,
    aliases: endpoint.Aliases ?? [],
    driverOptions: endpoint.DriverOpts ?? {},
    ...(IPv4Address ? { ipv4: IPv4Address } : {}),
    ...(IPv6Address ? { ipv6: IPv6Address } : {}),
    ...(endpoint.MacAddress ? { mac: endpoint.MacAddress.toLowerCase().replaceAll("-", ":") } : {}),
    ...(endpoint.GwPriority ? { gatewayPriority: endpoint.GwPriority } : {}),
    ...(endpoint.Links?.length ? { links: endpoint.Links } : {}),
    ...(LinkLocalIPs?.length ? { linkLocalIps: LinkLocalIPs } : {}),
  };
}
