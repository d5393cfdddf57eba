import { closeSync, writeFileSync } from "node:fs";
import { setUp } from "../../kernel/netlink/link.ts";
import { NetlinkSocket } from "../../kernel/netlink/netlink-socket.ts";
import { NetlinkWriter } from "../../kernel/netlink/writer.ts";
import { enterNetns, openOwnNetns, unshareNetns } from "../../kernel/ns.ts";

// Runs in the Worker. A new namespace takes half a millisecond of the kernel: some are kept ready. They are nothing
// but descriptors, so a crash leaves nothing.

const keptReady = 2;
const quietMs = 5; // a burst of containers goes first
const hostNetns = openOwnNetns();
const spares: number[] = [];
let timer: Timer | undefined;

/** Runs in another namespace and always comes back. A thread that cannot come back must not go on. */
export function away<T>(enter: () => void, body: () => T): T {
  enter();
  try {
    return body();
  } finally {
    enterNetns(hostNetns);
  }
}

/** A fresh namespace with its loopback up. The descriptor is the caller's to close. */
export function takeNetns(): number {
  refillSoon();
  return spares.pop() ?? makeNetns();
}

export function refillSoon(): void {
  timer ??= setTimeout(() => {
    timer = undefined;
    if (spares.length >= keptReady) return;
    spares.push(makeNetns());
    refillSoon();
  }, quietMs);
}

export function closeSpares(): void {
  clearTimeout(timer);
  for (const fd of [...spares.splice(0), hostNetns]) closeSync(fd);
}

function makeNetns(): number {
  return away(unshareNetns, () => {
    const writer = new NetlinkWriter();
    setUp(writer, 1 /* lo */);
    using inside = NetlinkSocket.open("route");
    inside.request(writer);
    // Links get IPv6 only where their network has it (CVE-2024-32473); the loopback keeps ::1.
    setDefault("net/ipv6/conf/default/disable_ipv6", "1");
    // moby parity: any user may bind low ports and ping in a namespace of its own
    setDefault("net/ipv4/ip_unprivileged_port_start", "0");
    setDefault("net/ipv4/ping_group_range", "0 2147483647");
    return openOwnNetns();
  });
}

function setDefault(key: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/${key}`, value);
  } catch {
    // An older kernel, or one without IPv6, lacks the key: its own default stays.
  }
}
