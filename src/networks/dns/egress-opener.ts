import { decode } from "dns-packet";
import { ipBytes, parseIp } from "../../base/ip.ts";
import { SyscallError } from "../../kernel/call.ts";
import { NetlinkSocket } from "../../kernel/netlink/netlink-socket.ts";
import { changeElements } from "../../kernel/nft/elements.ts";
import { egressSets, egressTable } from "../egress/table.ts";

/** Programs keep an address longer than they are told, and connections begin a while after the answer. */
const keptAtLeastMs = 10 * 60_000;
/** Answers beyond this are cut: a set in the kernel must not grow without end. */
const addressesAtMost = 4096;

/**
 * Lets a container reach what its allowed names stand for: the addresses of each answer go into the sets of the
 * table in its namespace, before the container has the answer. Made inside the namespace.
 */
export class EgressOpener implements Disposable {
  readonly #socket = NetlinkSocket.open("netfilter");
  readonly #names: readonly string[];
  /** When each address leaves the set, by our clock. */
  readonly #until = new Map<string, number>();

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  open(name: string, answer: Uint8Array): void {
    if (!this.#names.some((allowed) => matches(allowed, name))) return;
    const now = performance.now();
    for (const [address, until] of this.#until) if (until < now) this.#until.delete(address);
    for (const { address, ttlSeconds } of addressesOf(answer)) {
      const keepMs = Math.max(keptAtLeastMs, ttlSeconds * 1000);
      const until = this.#until.get(address);
      if (until !== undefined && until > now + keepMs / 2) continue;
      if (until === undefined && this.#until.size >= addressesAtMost) return;
      const ip = parseIp(address);
      if (ip === undefined) continue;
      const element = { map: egressSets[ip.family], key: ipBytes(ip) };
      const added = { ...element, timeoutMs: keepMs };
      try {
        changeElements(this.#socket, egressTable, { add: [added], remove: until === undefined ? [] : [element] });
      } catch (error) {
        // It left the set a moment ago.
        if (!(error instanceof SyscallError) || error.code !== "ENOENT" || until === undefined) throw error;
        changeElements(this.#socket, egressTable, { add: [added], remove: [] });
      }
      this.#until.set(address, now + keepMs);
    }
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

/** `*.example.com` is every name below it, not itself. */
export const matches = (allowed: string, name: string): boolean =>
  allowed.startsWith("*.") ? name.endsWith(allowed.slice(1)) && name.length > allowed.length - 1 : name === allowed;

function addressesOf(answer: Uint8Array): { address: string; ttlSeconds: number }[] {
  try {
    const { answers = [] } = decode(Buffer.from(answer));
    return answers.flatMap((record) =>
      record.type === "A" || record.type === "AAAA" ? [{ address: record.data, ttlSeconds: record.ttl ?? 0 }] : [],
    );
  } catch {
    return []; // a server that sends what cannot be read opens nothing
  }
}
