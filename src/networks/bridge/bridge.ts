import { createHash } from "node:crypto";
import { EngineError } from "../../base/errors.ts";
import { formatIp, parseCidr, parseIp } from "../../base/ip.ts";
import type { KnownNetwork, NetworkDriver } from "../driver.ts";
import type { GatewayMode } from "../publish/firewalled-bridge.ts";
import { endpointSysctls } from "../endpoint-options.ts";
import {
  anyText,
  checkOptions,
  isAddress,
  isBoolean,
  isLinkName,
  isOneOf,
  isWhole,
  type OptionCheck,
  readBoolean,
} from "../options.ts";

/** Options of Docker's bridge driver that have an effect here. */
export const bridgeOptions = {
  name: "com.docker.network.bridge.name",
  icc: "com.docker.network.bridge.enable_icc",
  masquerade: "com.docker.network.bridge.enable_ip_masquerade",
  hostBinding: "com.docker.network.bridge.host_binding_ipv4",
  defaultBridge: "com.docker.network.bridge.default_bridge",
  mtu: "com.docker.network.driver.mtu",
  mode4: "com.docker.network.bridge.gateway_mode_ipv4",
  mode6: "com.docker.network.bridge.gateway_mode_ipv6",
  source4: "com.docker.network.host_ipv4",
  source6: "com.docker.network.host_ipv6",
  interfacePrefix: "com.docker.network.container_iface_prefix",
} as const;

const gatewayModes = ["nat", "nat-unprotected", "routed", "isolated"] as const;

const known: Readonly<Record<string, OptionCheck>> = {
  [bridgeOptions.name]: isLinkName,
  [bridgeOptions.icc]: isBoolean,
  [bridgeOptions.masquerade]: isBoolean,
  [bridgeOptions.hostBinding]: isAddress(),
  [bridgeOptions.mtu]: isWhole(68, 65_535),
  [bridgeOptions.mode4]: isOneOf(...gatewayModes),
  [bridgeOptions.mode6]: isOneOf(...gatewayModes),
  [bridgeOptions.source4]: isAddress(4),
  [bridgeOptions.source6]: isAddress(6),
  [bridgeOptions.interfacePrefix]: isLinkName,
  // Clients that copy a network's options send these back.
  [bridgeOptions.defaultBridge]: isOneOf("false"),
  "com.docker.network.enable_ipv4": isBoolean,
  "com.docker.network.enable_ipv6": isBoolean,
  "com.docker.network.bridge.inhibit_ipv4": isOneOf("false"),
  "com.docker.network.bridge.trusted_host_interfaces": anyText,
};

/** A Linux bridge of the host; containers are its ports. */
export const bridge: NetworkDriver = {
  addressed: true,
  creatable: true,
  publishes: true,

  check({ options, internal }) {
    checkOptions("network option", options, known);
    for (const key of [bridgeOptions.mode4, bridgeOptions.mode6]) {
      if (options[key] === "isolated" && !internal)
        throw new EngineError("invalid", `gateway mode 'isolated' can only be used for an internal network`); // moby's text
    }
  },

  async up(network, { kernel, mtu }) {
    const addresses = network.ipam.pools
      .filter((pool) => gatewayMode(network, pool.subnet.includes(":") ? 6 : 4) !== "isolated")
      .map((pool) => `${pool.gateway}/${parseCidr(pool.subnet)?.prefixLength}`);
    const [gateway] = network.ipam.pools.map(({ gateway: text }) => text).filter((text) => !text.includes(":"));
    if (network.hiddenIpv6Subnet !== "" && gateway !== undefined) addresses.push(`${hiddenIpv6(network, gateway)}/64`);
    await kernel.call({
      op: "bridge-up",
      bridge: { name: bridgeName(network), mac: macOf(network.id), mtu: mtuOf(network, mtu), addresses },
    });
  },

  async down(network, { kernel }) {
    await kernel.call({ op: "bridge-down", name: bridgeName(network) });
  },

  link(network, endpoint, { gateway, mtu }) {
    const addresses = [];
    if (endpoint.ipv4 !== "") addresses.push(`${endpoint.ipv4}/${endpoint.ipv4PrefixLength}`);
    if (endpoint.ipv6 !== "") addresses.push(`${endpoint.ipv6}/${endpoint.ipv6PrefixLength}`);
    if (endpoint.hiddenIpv6 !== "") addresses.push(`${endpoint.hiddenIpv6}/64`);
    for (const text of endpoint.linkLocalIps ?? []) addresses.push(`${text}/${text.includes(":") ? 64 : 16}`);
    const sysctls = endpointSysctls(endpoint);
    return {
      hostName: endpoint.hostName,
      bridge: bridgeName(network),
      name: endpoint.interfaceName,
      mac: endpoint.mac,
      mtu: mtuOf(network, mtu),
      isolated: !readBoolean(network.options[bridgeOptions.icc], true),
      addresses,
      gateways: gateway ? [endpoint.ipv4Gateway, endpoint.ipv6Gateway].filter((text) => text !== "") : [],
      ...(Object.keys(sysctls).length === 0 ? {} : { sysctls }),
    };
  },

  firewalled(network) {
    return {
      name: bridgeName(network),
      internal: network.internal,
      masquerade: readBoolean(network.options[bridgeOptions.masquerade], true),
      subnets: network.ipam.pools.map(({ subnet }) => subnet),
      proxied6: network.hiddenIpv6Subnet !== "",
      mode4: gatewayMode(network, 4),
      mode6: gatewayMode(network, 6),
      source4: network.options[bridgeOptions.source4] ?? "",
      source6: network.options[bridgeOptions.source6] ?? "",
    };
  },
};

export const bridgeName = (network: Pick<KnownNetwork, "id" | "options">): string =>
  network.options[bridgeOptions.name] ?? `br-${network.id.slice(0, 12)}`;

/** The address for IPv6 ports: the IPv4 address in the last 32 bits, so it needs no allocation of its own. */
export function hiddenIpv6(network: Pick<KnownNetwork, "hiddenIpv6Subnet">, ipv4: string): string {
  const subnet = parseCidr(network.hiddenIpv6Subnet);
  const ip = parseIp(ipv4);
  return subnet === undefined || ip === undefined ? "" : formatIp({ family: 6, value: subnet.start | ip.value });
}

export function gatewayMode({ options }: Pick<KnownNetwork, "options">, family: 4 | 6): GatewayMode {
  const text = options[family === 4 ? bridgeOptions.mode4 : bridgeOptions.mode6];
  return gatewayModes.find((mode) => mode === text) ?? "nat";
}

const mtuOf = (network: KnownNetwork, otherwise: number): number =>
  Number(network.options[bridgeOptions.mtu] ?? otherwise);

/** Locally administered, the same after a restart. */
function macOf(id: string): string {
  const hash = createHash("sha256").update(`bridge ${id}`).digest("hex");
  return `02:42:${hash.slice(0, 2)}:${hash.slice(2, 4)}:${hash.slice(4, 6)}:${hash.slice(6, 8)}`;
}
