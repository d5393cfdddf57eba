import { createHash } from "node:crypto";
import { EngineError } from "../../base/errors.ts";
import { formatIp, parseCidr, parseIp } from "../../base/ip.ts";
import type { KnownNetwork, NetworkDriver } from "../driver.ts";

/** Options of Docker's bridge driver that have an effect here. */
export const bridgeOptions = {
  name: "com.docker.network.bridge.name",
  icc: "com.docker.network.bridge.enable_icc",
  masquerade: "com.docker.network.bridge.enable_ip_masquerade",
  hostBinding: "com.docker.network.bridge.host_binding_ipv4",
  defaultBridge: "com.docker.network.bridge.default_bridge",
  mtu: "com.docker.network.driver.mtu",
} as const;

const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  "1": true,
  t: true,
  false: false,
  "0": false,
  f: false,
};

/** A Linux bridge of the host; containers are its ports. */
export const bridge: NetworkDriver = {
  addressed: true,
  creatable: true,

  check({ options }) {
    for (const key of [bridgeOptions.icc, bridgeOptions.masquerade]) {
      const value = options[key];
      if (value !== undefined && booleans[value.toLowerCase()] === undefined) {
        throw new EngineError("invalid", `network option ${key}: ${JSON.stringify(value)} is neither true nor false`);
      }
    }
    const name = options[bridgeOptions.name];
    // dev_valid_name() of the kernel, and nothing that needs quoting in an nft script
    if (name !== undefined && !/^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(name)) {
      throw new EngineError(
        "invalid",
        `network option ${bridgeOptions.name}: ${JSON.stringify(name)} is no name for an interface`,
      );
    }
    const mtu = options[bridgeOptions.mtu];
    if (mtu !== undefined && (!/^[0-9]{1,5}$/.test(mtu) || Number(mtu) < 68 || Number(mtu) > 65535)) {
      throw new EngineError(
        "invalid",
        `network option ${bridgeOptions.mtu}: ${JSON.stringify(mtu)} is not between 68 and 65535`,
      );
    }
    const binding = options[bridgeOptions.hostBinding];
    if (binding !== undefined && parseIp(binding) === undefined) {
      throw new EngineError(
        "invalid",
        `network option ${bridgeOptions.hostBinding}: ${JSON.stringify(binding)} is no address`,
      );
    }
  },

  async up(network, { kernel, mtu }) {
    const addresses = network.ipam.pools.map((pool) => `${pool.gateway}/${parseCidr(pool.subnet)?.prefixLength}`);
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
    return {
      hostName: endpoint.hostName,
      bridge: bridgeName(network),
      name: endpoint.interfaceName,
      mac: endpoint.mac,
      mtu: mtuOf(network, mtu),
      isolated: !flag(network, bridgeOptions.icc, true),
      addresses,
      gateways: gateway ? [endpoint.ipv4Gateway, endpoint.ipv6Gateway].filter((text) => text !== "") : [],
    };
  },

  firewalled(network) {
    return {
      name: bridgeName(network),
      internal: network.internal,
      masquerade: flag(network, bridgeOptions.masquerade, true),
      subnets: network.ipam.pools.map(({ subnet }) => subnet),
      proxied6: network.hiddenIpv6Subnet !== "",
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

function flag(network: KnownNetwork, option: string, otherwise: boolean): boolean {
  const text = network.options[option];
  return text === undefined ? otherwise : (booleans[text.toLowerCase()] ?? otherwise);
}

const mtuOf = (network: KnownNetwork, otherwise: number): number =>
  Number(network.options[bridgeOptions.mtu] ?? otherwise);

/** Locally administered, the same after a restart. */
function macOf(id: string): string {
  const hash = createHash("sha256").update(`bridge ${id}`).digest("hex");
  return `02:42:${hash.slice(0, 2)}:${hash.slice(2, 4)}:${hash.slice(4, 6)}:${hash.slice(6, 8)}`;
}
