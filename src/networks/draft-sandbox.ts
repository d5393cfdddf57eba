import { randomBytes } from "node:crypto";
import { EngineError } from "../base/errors.ts";
import { newId, shortId } from "../base/id.ts";
import { ipBytes, parseIp } from "../base/ip.ts";
import { bridgeOptions, hiddenIpv6 } from "./bridge/bridge.ts";
import { checkEndpointOptions, endpointOptions } from "./endpoint-options.ts";
import type { Catalog, CatalogEntry } from "./catalog.ts";
import type { Attachment, Network, SandboxPlan } from "./network.ts";
import type { AttachedEndpoint } from "./sandbox/sandbox-row.ts";

/** The attachments a mode stands for. Order decides eth0, eth1, ...: the gateway's first, then by name. */
export function attachmentsOf(plan: SandboxPlan): readonly Attachment[] {
  const name = { bridge: "bridge", none: "none", host: "host" }[plan.mode as "bridge" | "none" | "host"];
  if (plan.mode === "container") return [];
  if (name !== undefined && plan.attachments.length === 0) return [{ network: name, aliases: [], driverOptions: {} }];
  return plan.attachments;
}

/**
 * Allocates one endpoint: addresses, MAC, names. Nothing is done in the kernel; `release` undoes it. Docker's texts.
 */
export function draftEndpoint(
  catalog: Catalog,
  entry: CatalogEntry,
  attachment: Attachment,
  options: {
    plan: Pick<SandboxPlan, "containerId" | "containerName" | "hostname">;
    interfaceName: string;
    withHiddenIpv6: boolean;
  },
): AttachedEndpoint {
  const { network, driver } = entry;
  const ids = { id: newId(), networkId: network.id, networkName: network.name, aliases: attachment.aliases };
  checkAttachment(entry, attachment);
  const { containerName, containerId, hostname } = options.plan;
  const names = [containerName, ...attachment.aliases, shortId(containerId), hostname ?? ""];
  const dnsNames = network.predefined ? [] : [...new Set(names.filter((name) => name !== ""))];
  const wishes = {
    ...(attachment.links === undefined ? {} : { links: attachment.links }),
    ...(attachment.linkLocalIps === undefined ? {} : { linkLocalIps: attachment.linkLocalIps }),
    ...(attachment.driverOptions[endpointOptions.sysctls] === undefined
      ? {}
      : { sysctls: attachment.driverOptions[endpointOptions.sysctls] ?? "" }),
  };
  if (!driver.addressed) {
    const gatewayPriority = attachment.gatewayPriority ?? 0;
    const plain = { ...ids, ...nowhere, dnsNames, gatewayPriority };
    if (driver.plugs === undefined) return plain;
    return { ...plain, ...wishes, interfaceName: options.interfaceName, mac: attachment.mac ?? "" };
  }
  const undo = new DisposableStack();
  try {
    const four = allocate(catalog, entry, 4, attachment.ipv4, undo);
    const six = allocate(catalog, entry, 6, attachment.ipv6, undo);
    const hidden = options.withHiddenIpv6 && network.hiddenIpv6Subnet !== "" && four.address !== "";
    undo.move();
    return {
      ...ids,
      ...wishes,
      dnsNames,
      interfaceName: options.interfaceName,
      hostName: `veth${ids.id.slice(0, 7)}`,
      mac: attachment.mac ?? macOf(four.address),
      ipv4: four.address,
      ipv4PrefixLength: four.prefixLength,
      ipv4Gateway: network.internal ? "" : four.gateway,
      ipv6: six.address,
      ipv6PrefixLength: six.prefixLength,
      ipv6Gateway: network.internal ? "" : six.gateway,
      hiddenIpv6: hidden ? hiddenIpv6(network, four.address) : "",
      gatewayPriority: attachment.gatewayPriority ?? 0,
    };
  } catch (error) {
    undo.dispose();
    throw error;
  }
}

/** What can be told of an attachment before anything is given to it. Throws `invalid` with Docker's texts. */
export function checkAttachment({ network, driver, pools }: CatalogEntry, attachment: Attachment): void {
  checkEndpointOptions(attachment);
  checkWishes(network, driver.addressed, attachment, network.userSubnets);
  checkNames(attachment);
  for (const wanted of [attachment.ipv4, attachment.ipv6]) if (wanted) poolOf(pools, wanted);
}

/** The name of a new interface: what was asked for, else the first free one with the network's prefix. */
export function interfaceNameFor(network: Network, attachment: Attachment, used: ReadonlySet<string>): string {
  const wanted = attachment.driverOptions[endpointOptions.interfaceName];
  if (wanted !== undefined) {
    if (used.has(wanted))
      throw new EngineError("conflict", `the container has an interface ${wanted} already`, { interface: wanted });
    return wanted;
  }
  const prefix = network.options[bridgeOptions.interfacePrefix] ?? "eth";
  for (let index = 0; ; index += 1) if (!used.has(`${prefix}${index}`)) return `${prefix}${index}`;
}

const nowhere = {
  interfaceName: "",
  hostName: "",
  mac: "",
  hiddenIpv6: "",
  ipv4: "",
  ipv4PrefixLength: 0,
  ipv4Gateway: "",
  ipv6: "",
  ipv6PrefixLength: 0,
  ipv6Gateway: "",
};

/** Aliases and links become names in DNS (RFC 1035, 2.3.4): what can never be asked for is refused, not lost. */
function checkNames({ aliases, links = [] }: Attachment): void {
  for (const name of aliases) {
    if (!isDnsName(name))
      throw new EngineError("invalid", `invalid network alias ${JSON.stringify(name)}: it is no name of DNS`, { name });
  }
  for (const link of links) {
    const [target = "", alias = target, ...more] = link.split(":");
    if (target === "" || more.length > 0) throw new EngineError("invalid", `bad format for links: ${link}`, { link });
    if (!isDnsName(alias))
      throw new EngineError("invalid", `invalid alias in link ${JSON.stringify(link)}: it is no name of DNS`, { link });
  }
}

const isDnsName = (name: string): boolean =>
  name.length <= 253 &&
  name.split(".").every((label) => /^[^\s\p{Cc}\\]{1,63}$/u.test(label) && Buffer.byteLength(label) <= 63);

function checkWishes(network: Network, addressed: boolean, attachment: Attachment, userSubnets: boolean): void {
  if (!attachment.ipv4 && !attachment.ipv6) return;
  if (!addressed || network.name === "bridge") {
    throw new EngineError("invalid", "user-specified IP address is supported on user-defined networks only");
  }
  if (!userSubnets) {
    throw new EngineError(
      "invalid",
      "user specified IP address is supported only when connecting to networks with user configured subnets",
    );
  }
}

function allocate(
  catalog: Catalog,
  { network, pools }: CatalogEntry,
  family: 4 | 6,
  wanted: string | undefined,
  undo: DisposableStack,
) {
  const candidates = pools.filter((pool) => pool.cidr.family === family);
  const address = wanted ? claim(candidates, wanted) : first(candidates);
  if (address === undefined) {
    if (candidates.length === 0) return { address: "", prefixLength: 0, gateway: "" };
    throw new EngineError(
      "internal",
      `no available IPv${family} addresses on this network's address pools: ${network.name} (${network.id})`,
    );
  }
  undo.defer(() => catalog.release(network.id, address));
  const ip = parseIp(address);
  const at = pools.findIndex((pool) => ip !== undefined && pool.owns(ip));
  return { address, prefixLength: pools[at]?.cidr.prefixLength ?? 0, gateway: network.ipam.pools[at]?.gateway ?? "" };
}

const claim = (candidates: CatalogEntry["pools"], wanted: string): string => poolOf(candidates, wanted).claim(wanted);

function poolOf(candidates: CatalogEntry["pools"], wanted: string): CatalogEntry["pools"][number] {
  const ip = parseIp(wanted);
  if (ip === undefined) throw new EngineError("invalid", `invalid IP address: ${wanted}`);
  const pool = candidates.find((candidate) => candidate.owns(ip));
  if (pool === undefined) {
    throw new EngineError("invalid", `Invalid address ${wanted}: It does not belong to any of this network's subnets`);
  }
  return pool;
}

function first(candidates: CatalogEntry["pools"]): string | undefined {
  for (const pool of candidates) {
    const address = pool.allocate();
    if (address !== undefined) return address;
  }
  return undefined;
}

/** moby parity: 02:42 and the IPv4 address, so an address always meets the same MAC in neighbours' tables. */
function macOf(ipv4: string): string {
  const ip = parseIp(ipv4);
  const bytes = ip === undefined ? randomBytes(4) : ipBytes(ip);
  return ["02", "42", ...Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))].join(":");
}
