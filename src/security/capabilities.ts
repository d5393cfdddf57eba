import { readFileSync } from "node:fs";
import { EngineError } from "../base/errors.ts";

/** By number, from 0. linux/capability.h up to Linux 6.18. */
const names = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
].map((name) => `CAP_${name}`);

/** What a container has when nothing is said: Docker's set, in Docker's order. */
export const defaultCapabilities: readonly string[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FSETID",
  "FOWNER",
  "MKNOD",
  "NET_RAW",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "SETPCAP",
  "NET_BIND_SERVICE",
  "SYS_CHROOT",
  "KILL",
  "AUDIT_WRITE",
].map((name) => `CAP_${name}`);

/** The number of a capability, `CAP_SYS_ADMIN` -> 21. Undefined when it is unknown. */
export function capabilityNumber(name: string): number | undefined {
  const number = names.indexOf(name);
  return number < 0 ? undefined : number;
}

/** Names of the bits set in a mask as /proc/PID/status writes it, in hexadecimal. */
export function capabilitiesOfMask(hex: string): string[] {
  const mask = BigInt(`0x${hex}`);
  return names.filter((_, bit) => ((mask >> BigInt(bit)) & 1n) === 1n);
}

let available: readonly string[] | undefined;

/**
 * What this engine can give away: known to us and to the kernel, and effective in this process (an engine inside a
 * container may lack some). This is what ALL and --privileged mean. Read once.
 */
export function availableCapabilities(): readonly string[] {
  if (available) return available;
  const last = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  available = capabilitiesOfMask(effective).filter((name) => (capabilityNumber(name) ?? Infinity) <= last);
  return available;
}

export interface CapabilityRequest {
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly privileged: boolean;
}

/**
 * The capabilities of a container: default + add - drop, or all of them when privileged. Names are taken in any
 * case, with or without CAP_; ALL is known on both sides. Throws Docker's texts, `invalid CapAdd: ...`.
 */
export function resolveCapabilities(request: CapabilityRequest, all = availableCapabilities()): string[] {
  const add = normalize("CapAdd", request.add, all);
  const drop = normalize("CapDrop", request.drop, all);
  if (request.privileged) return [...all];
  if (add.includes("ALL")) return all.filter((name) => !drop.includes(name));
  if (drop.includes("ALL")) return unique(add);
  // a default that the engine itself lacks cannot be given: the runtime would refuse the whole container
  const base = defaultCapabilities.filter((name) => all.includes(name) && !drop.includes(name));
  return unique([...base, ...add]);
}

function normalize(field: "CapAdd" | "CapDrop", given: readonly string[], all: readonly string[]): string[] {
  return given.map((text) => {
    const upper = text.toUpperCase();
    if (upper === "ALL") return upper;
    const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (!names.includes(name))
      throw new EngineError("invalid", `invalid ${field}: unknown capability: "${name}"`, { field, name });
    if (!all.includes(name)) {
      const why = "capability not supported by your kernel or not available in the current environment";
      throw new EngineError("invalid", `invalid ${field}: ${why}: "${name}"`, { field, name });
    }
    return name;
  });
}

const unique = (list: readonly string[]): string[] => [...new Set(list)];
