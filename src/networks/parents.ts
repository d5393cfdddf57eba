import { EngineError } from "../base/errors.ts";
import { ipvlanFlags, ipvlanModes, macvlanModes } from "../kernel/netlink/child-link.ts";
import type { DriverContext, KnownNetwork } from "./driver.ts";
import { endpointSysctls } from "./endpoint-options.ts";
import { checkOptions, isAddress, isLinkName, isOneOf, isWhole, type OptionCheck } from "./options.ts";
import type { LinkCommand, ParentCommand } from "./sandbox/commands.ts";
import type { AttachedEndpoint } from "./sandbox/sandbox-row.ts";

/** Options of Docker's macvlan and ipvlan drivers. */
export const parentOptions = {
  parent: "parent",
  macvlanMode: "macvlan_mode",
  ipvlanMode: "ipvlan_mode",
  ipvlanFlag: "ipvlan_flag",
  mtu: "com.docker.network.driver.mtu",
  /** Ours: an address of the subnet for the host itself, by which it and the containers reach each other. */
  hostAccess: "host_access",
} as const;

const shared: Readonly<Record<string, OptionCheck>> = {
  [parentOptions.parent]: isLinkName,
  [parentOptions.mtu]: isWhole(68, 65_535),
};
const known = {
  macvlan: {
    ...shared,
    [parentOptions.macvlanMode]: isOneOf(...Object.keys(macvlanModes)),
    [parentOptions.hostAccess]: isAddress(),
  },
  ipvlan: {
    ...shared,
    [parentOptions.ipvlanMode]: isOneOf(...Object.keys(ipvlanModes)),
    [parentOptions.ipvlanFlag]: isOneOf(...Object.keys(ipvlanFlags)),
  },
} as const;

export function checkParentOptions(
  kind: "macvlan" | "ipvlan",
  request: {
    readonly options: Readonly<Record<string, string>>;
    readonly pools: readonly { readonly ipRange?: string }[];
  },
): void {
  checkOptions("network option", request.options, known[kind]);
  if (request.options[parentOptions.hostAccess] !== undefined && request.pools.every(({ ipRange }) => !ipRange)) {
    throw new EngineError(
      "invalid",
      `network option ${parentOptions.hostAccess} needs an --ip-range: the host's route to the containers is for it`,
    );
  }
}

/** The interface that the network's containers share; one of our own where none was named (moby parity: then nothing leaves the host). */
export function parentCommand(kind: "macvlan" | "ipvlan", network: KnownNetwork, mtu: number): ParentCommand {
  const given = network.options[parentOptions.parent];
  const address = network.options[parentOptions.hostAccess];
  const id = network.id.slice(0, 12);
  return {
    kind,
    name: given ?? `dm-${id}`,
    own: given === undefined,
    mtu: mtuOf(network, mtu),
    ...(address === undefined
      ? {}
      : {
          hostAccess: {
            address,
            name: `mv-${id}`,
            routes: network.ipam.pools.flatMap(({ ipRange }) => ipRange ?? []),
          },
        }),
  };
}

/** Several networks may share one parent (different VLANs or subnets). */
export async function parentDown(
  kind: "macvlan" | "ipvlan",
  network: KnownNetwork,
  { kernel, mtu, shared: isShared }: DriverContext,
): Promise<void> {
  const parent = parentCommand(kind, network, mtu);
  await kernel.call({ op: "parent-down", parent, stillUsed: isShared?.(network) ?? false });
}

export function childLink(
  network: KnownNetwork,
  endpoint: AttachedEndpoint,
  options: { gateway: boolean; mtu: number; what: NonNullable<LinkCommand["child"]>["what"]; direct: boolean },
): LinkCommand {
  const addresses = [];
  if (endpoint.ipv4 !== "") addresses.push(`${endpoint.ipv4}/${endpoint.ipv4PrefixLength}`);
  if (endpoint.ipv6 !== "") addresses.push(`${endpoint.ipv6}/${endpoint.ipv6PrefixLength}`);
  for (const text of endpoint.linkLocalIps ?? []) addresses.push(`${text}/${text.includes(":") ? 64 : 16}`);
  const gateways = [endpoint.ipv4Gateway, endpoint.ipv6Gateway].filter((text) => text !== "");
  const sysctls = endpointSysctls(endpoint);
  return {
    hostName: "",
    bridge: "",
    name: endpoint.interfaceName,
    mac: endpoint.mac,
    mtu: mtuOf(network, options.mtu),
    isolated: false,
    addresses,
    gateways: options.gateway && !options.direct ? gateways : [],
    child: { what: options.what, parent: parentCommand("macvlan", network, options.mtu).name },
    ...(options.direct && options.gateway ? { defaultDevice: true } : {}),
    ...(Object.keys(sysctls).length === 0 ? {} : { sysctls }),
  };
}

const mtuOf = (network: KnownNetwork, otherwise: number): number =>
  Number(network.options[parentOptions.mtu] ?? otherwise);
