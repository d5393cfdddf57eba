import { closeSync } from "node:fs";
import { parseIp } from "../../base/ip.ts";
import { bindPort } from "../../kernel/bound-port.ts";
import { SyscallError } from "../../kernel/call.ts";
import type { PortHold } from "./commands.ts";

/**
 * Ports held against other programs, one descriptor each. Above the limit a port is only tried and let go at once:
 * a range of ten thousand ports shall not eat the daemon's descriptors.
 */
const heldAtMost = 4096;
const held = new Map<string, number>();
const keyOf = (hold: PortHold): string => `${hold.protocol} ${hold.hostIp} ${hold.port}`;

export class PortTakenError extends Error {
  readonly hold: PortHold;
  readonly code: string;

  constructor(hold: PortHold, cause: SyscallError) {
    super(cause.message, { cause });
    this.hold = hold;
    this.code = cause.code;
  }
}

/** Holds all or none; a port that is held already stays. Gives those that were not. Throws PortTakenError. */
export function holdPorts(holds: readonly PortHold[]): PortHold[] {
  const fresh: PortHold[] = [];
  for (const hold of holds) {
    if (held.has(keyOf(hold))) continue;
    try {
      const fd = bindPort(hold.protocol, hold.hostIp === "" ? null : (parseIp(hold.hostIp) ?? null), hold.port);
      if (held.size < heldAtMost) held.set(keyOf(hold), fd);
      else closeSync(fd);
      fresh.push(hold);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (error.code === "E93") continue; // EPROTONOSUPPORT: no SCTP sockets here, so no program can hold the port
      releasePorts(fresh);
      throw new PortTakenError(hold, error);
    }
  }
  return fresh;
}

export function releaseAllPorts(): void {
  for (const fd of held.values()) closeSync(fd);
  held.clear();
}

export function releasePorts(holds: readonly PortHold[]): void {
  for (const hold of holds) {
    const fd = held.get(keyOf(hold));
    if (fd === undefined) continue;
    held.delete(keyOf(hold));
    closeSync(fd);
  }
}
