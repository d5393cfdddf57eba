import { EngineError } from "../../base/errors.ts";
import { type Cidr, contains, formatIp, type Ip, parseCidr, parseIp } from "../../base/ip.ts";
import type { Pool } from "../network.ts";

/**
 * How long a released address rests. A closed container's link lives in the kernel until its namespace is cleaned up
 * (up to 3 s measured), and would answer for the address beside its next owner.
 */
const restMs = 5000;

/** The addresses of one subnet. All state in memory; rows of sandboxes are what survives. */
export class AddressPool {
  readonly cidr: Cidr;
  readonly #from: bigint;
  readonly #to: bigint;
  readonly #reserved = new Set<bigint>();
  readonly #taken = new Set<bigint>();
  readonly #resting = new Map<bigint, number>();

  constructor(pool: Pool) {
    const cidr = parseCidr(pool.subnet);
    if (cidr === undefined) throw new EngineError("internal", `network pool ${pool.subnet} is not a subnet`);
    this.cidr = cidr;
    const range = pool.ipRange === undefined ? cidr : (parseCidr(pool.ipRange) ?? cidr);
    this.#from = range.start;
    this.#to = range.end;
    const width = (cidr.family === 4 ? 32 : 128) - cidr.prefixLength;
    if (width > 1) {
      this.#reserved.add(cidr.start);
      if (cidr.family === 4) this.#reserved.add(cidr.end); // broadcast
    }
    for (const text of [pool.gateway, ...Object.values(pool.auxAddresses ?? {})]) {
      const ip = parseIp(text);
      if (ip !== undefined) this.#reserved.add(ip.value);
    }
  }

  /** The lowest free address; a rested one only when no other is left. Undefined = none left. */
  allocate(): string | undefined {
    const now = performance.now();
    for (let value = this.#from; value <= this.#to; value += 1n) {
      if (this.#taken.has(value) || this.#reserved.has(value)) continue;
      const restUntil = this.#resting.get(value);
      if (restUntil !== undefined && restUntil > now) continue;
      return this.#take(value);
    }
    // The map keeps the order of release: the first has rested longest.
    const [oldest] = this.#resting.keys();
    return oldest === undefined ? undefined : this.#take(oldest);
  }

  /** A wanted address. Docker's texts when it is not to be had. */
  claim(text: string): string {
    const ip = parseIp(text);
    if (ip === undefined) throw new EngineError("invalid", `invalid IP address: ${text}`);
    if (this.#taken.has(ip.value) || this.#reserved.has(ip.value))
      throw new EngineError("forbidden", "Address already in use");
    return this.#take(ip.value);
  }

  /** Marks an address of a sandbox that exists. */
  adopt(text: string): void {
    const ip = parseIp(text);
    if (ip !== undefined && this.owns(ip)) this.#take(ip.value);
  }

  release(text: string): void {
    const ip = parseIp(text);
    if (ip === undefined || !this.#taken.delete(ip.value)) return;
    this.#resting.set(ip.value, performance.now() + restMs);
  }

  owns(ip: Ip): boolean {
    return contains(this.cidr, ip);
  }

  #take(value: bigint): string {
    this.#taken.add(value);
    this.#resting.delete(value);
    return formatIp({ family: this.cidr.family, value });
  }
}
