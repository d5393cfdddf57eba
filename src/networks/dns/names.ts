import { type Cidr, contains, type Ip, ipBytes, ipOfBytes, parseCidr, parseIp } from "../../base/ip.ts";
import type { Box } from "./protocol.ts";

interface Host {
  readonly boxId: string;
  readonly ipv4: Uint8Array | undefined;
  readonly ipv6: Uint8Array | undefined;
}

interface KnownNetwork {
  readonly name: string;
  readonly hosts: Map<string, Host[]>;
  /** `name.network` by address text of the packet's bytes. */
  readonly reverse: Map<string, string>;
}

interface Known {
  readonly box: Box;
  readonly links: readonly ReadonlyMap<string, string>[];
  readonly subnets: readonly Cidr[];
}

/** Addresses of a name: both families, as a name without one of them still exists. */
export interface Addresses {
  readonly ipv4: readonly Uint8Array[];
  readonly ipv6: readonly Uint8Array[];
}

/** Who is called what on which network. All in memory; every look is a few map accesses, however many names there are. */
export class Names {
  readonly #networks = new Map<string, KnownNetwork>();
  readonly #boxes = new Map<string, Known>();
  #turn = 0;

  put(box: Box): void {
    this.drop(box.id);
    this.#boxes.set(box.id, {
      box,
      links: box.places.map(
        ({ links }) =>
          new Map(Object.entries(links).map(([alias, target]) => [alias.toLowerCase(), target.toLowerCase()])),
      ),
      subnets: box.places.flatMap(({ subnets }) => subnets.flatMap((text) => parseCidr(text) ?? [])),
    });
    for (const place of box.places) {
      const network = this.#network(place.networkId, place.networkName);
      const host: Host = { boxId: box.id, ipv4: bytesOf(place.ipv4), ipv6: bytesOf(place.ipv6) };
      for (const name of new Set(place.names.map((text) => text.toLowerCase()))) {
        const hosts = network.hosts.get(name);
        if (hosts === undefined) network.hosts.set(name, [host]);
        else hosts.push(host);
      }
      const [first] = place.names;
      if (first === undefined) continue;
      for (const bytes of [host.ipv4, host.ipv6])
        if (bytes !== undefined) network.reverse.set(keyOf(bytes), `${first}.${place.networkName}`);
    }
  }

  drop(boxId: string): void {
    const known = this.#boxes.get(boxId);
    if (known === undefined) return;
    this.#boxes.delete(boxId);
    for (const place of known.box.places) {
      const network = this.#networks.get(place.networkId);
      if (network === undefined) continue;
      for (const name of new Set(place.names.map((text) => text.toLowerCase()))) {
        const rest = (network.hosts.get(name) ?? []).filter((host) => host.boxId !== boxId);
        if (rest.length === 0) network.hosts.delete(name);
        else network.hosts.set(name, rest);
      }
      for (const bytes of [bytesOf(place.ipv4), bytesOf(place.ipv6)])
        if (bytes !== undefined) network.reverse.delete(keyOf(bytes));
      if (network.hosts.size === 0) this.#networks.delete(place.networkId);
    }
  }

  get(boxId: string): Box | undefined {
    return this.#boxes.get(boxId)?.box;
  }

  ids(): string[] {
    return [...this.#boxes.keys()];
  }

  /**
   * The addresses of a name as one container sees it: of the first of its networks that has the name. `name.network`
   * is the name on that network only. Several addresses take turns. Undefined = none of our names.
   */
  resolve(boxId: string, name: string): Addresses | undefined {
    const known = this.#boxes.get(boxId);
    if (known === undefined) return undefined;
    for (const [index, { networkId, networkName }] of known.box.places.entries()) {
      const network = this.#networks.get(networkId);
      if (network === undefined) continue;
      const linked = known.links[index]?.get(name);
      const hosts = (linked === undefined ? undefined : network.hosts.get(linked)) ?? network.hosts.get(name);
      if (hosts !== undefined) return this.#rotated(hosts);
      const suffix = `.${networkName.toLowerCase()}`;
      if (!name.endsWith(suffix)) continue;
      const short = network.hosts.get(name.slice(0, -suffix.length));
      if (short !== undefined) return this.#rotated(short);
    }
    return undefined;
  }

  /**
   * The name of an address as one container sees it; an empty text when the address is of one of its networks and
   * nobody's; undefined when it is none of ours.
   */
  reverse(boxId: string, ip: Ip): string | undefined {
    const known = this.#boxes.get(boxId);
    if (known === undefined) return undefined;
    const key = keyOf(ipBytes(ip));
    for (const { networkId } of known.box.places) {
      const name = this.#networks.get(networkId)?.reverse.get(key);
      if (name !== undefined) return name;
    }
    return known.subnets.some((subnet) => contains(subnet, ip)) ? "" : undefined;
  }

  #network(id: string, name: string): KnownNetwork {
    const there = this.#networks.get(id);
    if (there !== undefined) return there;
    const network = { name, hosts: new Map<string, Host[]>(), reverse: new Map<string, string>() };
    this.#networks.set(id, network);
    return network;
  }

  #rotated(hosts: readonly Host[]): Addresses {
    this.#turn = (this.#turn + 1) % 0x40000000;
    const first = hosts.length < 2 ? 0 : this.#turn % hosts.length;
    const ipv4: Uint8Array[] = [];
    const ipv6: Uint8Array[] = [];
    for (let step = 0; step < hosts.length; step += 1) {
      const host = hosts[(first + step) % hosts.length];
      if (host?.ipv4 !== undefined) ipv4.push(host.ipv4);
      if (host?.ipv6 !== undefined) ipv6.push(host.ipv6);
    }
    return { ipv4, ipv6 };
  }
}

/** The address that a name below in-addr.arpa or ip6.arpa stands for. */
export function reverseAddress(name: string): Ip | undefined {
  if (name.endsWith(".in-addr.arpa")) {
    return parseIp(name.slice(0, -".in-addr.arpa".length).split(".").toReversed().join("."));
  }
  if (!name.endsWith(".ip6.arpa")) return undefined;
  const nibbles = name.slice(0, -".ip6.arpa".length).split(".").toReversed();
  if (nibbles.length !== 32 || nibbles.some((nibble) => !/^[0-9a-f]$/.test(nibble))) return undefined;
  return ipOfBytes(
    Uint8Array.from({ length: 16 }, (_, at) => Number.parseInt(`${nibbles[2 * at]}${nibbles[2 * at + 1]}`, 16)),
  );
}

function bytesOf(text: string): Uint8Array | undefined {
  const ip = text === "" ? undefined : parseIp(text);
  return ip === undefined ? undefined : ipBytes(ip);
}

const keyOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
