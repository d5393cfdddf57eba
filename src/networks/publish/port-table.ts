import { readFileSync } from "node:fs";
import { parseIp } from "../../base/ip.ts";
import type { PortRequest, PublishedPort } from "../network.ts";

/** Who has a port of the host. */
export interface PortOwner {
  readonly containerId: string;
  readonly containerName: string;
}

export class PortConflict extends Error {
  readonly hostIp: string;
  readonly port: number;
  readonly owner: PortOwner | undefined;

  constructor(hostIp: string, port: number, owner?: PortOwner) {
    super(`port ${port} of ${hostIp} is taken`);
    this.hostIp = hostIp;
    this.port = port;
    this.owner = owner;
  }
}

interface Entry extends PortOwner {
  readonly hostIp: string;
}

/** The host's ports as the engine gave them out. All state in memory. */
export class PortTable {
  readonly #taken = new Map<string, Entry[]>();
  readonly #ephemeral: readonly [number, number];
  readonly #wildcards: readonly string[];
  #last: number;

  /**
   * `ipv6`: whether a port on all addresses is one on `::` too. `startAt`: how far into the range of free ports the
   * first one is, so that engines beside each other do not try the same.
   */
  constructor(options: { ipv6: boolean; ephemeral?: readonly [number, number]; startAt?: number }) {
    this.#ephemeral = options.ephemeral ?? ephemeralRange();
    this.#wildcards = options.ipv6 ? ["0.0.0.0", "::"] : ["0.0.0.0"];
    const [first, last] = this.#ephemeral;
    const count = last - first + 1;
    this.#last = first + (((options.startAt ?? 0) + count - 1) % count);
  }

  /**
   * Gives a port for each request, all or none. `avoid` holds `protocol port` texts that the kernel refused a moment
   * ago. Of address families that are routed the container's own address is reached: they take no port of the host (0).
   * Throws PortConflict.
   */
  allocate(
    requests: readonly PortRequest[],
    owner: PortOwner,
    options: { avoid: ReadonlySet<string>; routed: readonly (4 | 6)[] },
  ): PublishedPort[] {
    const { avoid, routed } = options;
    const given: PublishedPort[] = [];
    try {
      for (const request of requests) {
        const all = request.hostIp === "" ? this.#wildcards : [request.hostIp];
        const isRouted = (hostIp: string): boolean => routed.includes(hostIp.includes(":") ? 6 : 4);
        for (const hostIp of all.filter(isRouted)) given.push({ ...portOf(request), hostIp, hostPort: 0 });
        const hostIps = all.filter((hostIp) => !isRouted(hostIp));
        if (hostIps.length === 0) continue;
        const hostPort = this.#find(request, hostIps, avoid);
        for (const hostIp of hostIps) {
          const port = { ...portOf(request), hostIp, hostPort };
          this.adopt([port], owner);
          given.push(port);
        }
      }
      return given;
    } catch (error) {
      this.release(given, owner);
      throw error;
    }
  }

  /** Marks ports of a sandbox that exists. */
  adopt(ports: readonly PublishedPort[], owner: PortOwner): void {
    for (const { protocol, hostPort, hostIp } of ports) {
      if (hostPort === 0) continue;
      const key = `${protocol} ${hostPort}`;
      const entry = { hostIp, containerId: owner.containerId, containerName: owner.containerName };
      this.#taken.set(key, [...(this.#taken.get(key) ?? []), entry]);
    }
  }

  release(ports: readonly PublishedPort[], owner: Pick<PortOwner, "containerId">): void {
    for (const { protocol, hostPort, hostIp } of ports) {
      const key = `${protocol} ${hostPort}`;
      const rest = (this.#taken.get(key) ?? []).filter(
        (entry) => entry.hostIp !== hostIp || entry.containerId !== owner.containerId,
      );
      if (rest.length === 0) this.#taken.delete(key);
      else this.#taken.set(key, rest);
    }
  }

  #find(request: PortRequest, hostIps: readonly string[], avoid: ReadonlySet<string>): number {
    const fixed = typeof request.hostPort === "number" && request.hostPort !== 0;
    let conflict: PortConflict | undefined;
    for (const port of this.#candidates(request)) {
      if (!fixed && avoid.has(`${request.protocol} ${port}`)) continue;
      const taken = this.#takenBy(request.protocol, port, hostIps);
      if (taken === undefined) {
        if (request.hostPort === 0) this.#last = port;
        return port;
      }
      conflict ??= new PortConflict(taken.wanted, port, taken.owner);
    }
    const first = typeof request.hostPort === "number" ? request.hostPort : request.hostPort[0];
    throw conflict ?? new PortConflict(hostIps[0] ?? "0.0.0.0", first);
  }

  *#candidates(request: PortRequest): Generator<number> {
    if (typeof request.hostPort !== "number") {
      for (let port = request.hostPort[0]; port <= request.hostPort[1]; port += 1) yield port;
    } else if (request.hostPort !== 0) {
      yield request.hostPort;
    } else {
      // Onwards from the last: a port just given back is not at once another container's.
      const [first, end] = this.#ephemeral;
      const count = end - first + 1;
      for (let step = 1; step <= count; step += 1) yield first + ((this.#last - first + step) % count);
    }
  }

  #takenBy(
    protocol: string,
    port: number,
    hostIps: readonly string[],
  ): { wanted: string; owner: PortOwner } | undefined {
    for (const entry of this.#taken.get(`${protocol} ${port}`) ?? []) {
      for (const wanted of hostIps) if (meet(entry.hostIp, wanted)) return { wanted, owner: entry };
    }
    return undefined;
  }
}

const portOf = ({ containerPort, protocol }: PortRequest) => ({ containerPort, protocol });

/** Whether two host addresses of one port stand in each other's way. */
function meet(one: string, other: string): boolean {
  const [a, b] = [parseIp(one), parseIp(other)];
  if (a === undefined || b === undefined || a.family !== b.family) return false;
  return a.value === 0n || b.value === 0n || a.value === b.value;
}

function ephemeralRange(): readonly [number, number] {
  const [first, last] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").trim().split(/\s+/).map(Number);
  return first !== undefined && last !== undefined && first < last ? [first, last] : [49153, 65535]; // Docker's fallback
}
