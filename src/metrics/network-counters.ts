import { readFile, readlink } from "node:fs/promises";
import type { NetworkCounters } from "./stats.ts";

/** Counters of the interfaces that a process sees, loopback apart; none when it has the host's network, or is gone. */
export async function networkCounters(pid: number): Promise<Record<string, NetworkCounters>> {
  if (pid <= 0) return {};
  try {
    const [theirs, ours, text] = await Promise.all([
      readlink(`/proc/${pid}/ns/net`),
      readlink("/proc/self/ns/net"),
      readFile(`/proc/${pid}/net/dev`, "utf8"),
    ]);
    return theirs === ours ? {} : parseNetDev(text);
  } catch {
    return {}; // it ended meanwhile
  }
}

/** proc(5), /proc/net/dev. */
export function parseNetDev(text: string): Record<string, NetworkCounters> {
  const counters: Record<string, NetworkCounters> = {};
  for (const [, name = "", rest = ""] of text.matchAll(/^ *([^\s:|]+): *(.*)$/gm)) {
    if (name === "lo") continue;
    const at = rest.split(/ +/).map(Number);
    const [rxBytes = 0, rxPackets = 0, rxErrors = 0, rxDropped = 0] = at;
    const [txBytes = 0, txPackets = 0, txErrors = 0, txDropped = 0] = at.slice(8);
    counters[name] = { rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped };
  }
  return counters;
}
