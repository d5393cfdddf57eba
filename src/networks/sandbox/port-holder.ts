import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { parseIp } from "../../base/ip.ts";
import type { PortHold } from "./commands.ts";

export interface PortHolder {
  readonly pid: number;
  readonly program: string;
}

const tcpListen = "0A"; // include/net/tcp_states.h

/** The program whose socket is in the way of a port, as far as /proc tells. Only for error messages: it scans all processes. */
export function findHolder(hold: PortHold): PortHolder | undefined {
  // The kernel writes these files piece by piece: while sockets come and go one may be left out.
  for (let look = 0; look < looks; look += 1) {
    const holder = lookForHolder(hold);
    if (holder !== undefined) return holder;
  }
  return undefined;
}

const looks = 3;

function lookForHolder(hold: PortHold): PortHolder | undefined {
  const inodes = new Set<string>();
  for (const family of ["", "6"]) {
    for (const line of lines(`/proc/net/${hold.protocol}${family}`)) {
      // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
      const fields = line.trim().split(/\s+/);
      const [address, port] = (fields[1] ?? "").split(":");
      if (address === undefined || port === undefined || Number.parseInt(port, 16) !== hold.port) continue;
      if (hold.protocol === "tcp" && fields[3] !== tcpListen) continue;
      if (inTheWay(address, hold.hostIp)) inodes.add(`socket:[${fields[9]}]`);
    }
  }
  return inodes.size === 0 ? undefined : ownerOf(inodes);
}

/** Wildcards meet everything; /proc writes addresses as little-endian 32-bit words. */
function inTheWay(address: string, hostIp: string): boolean {
  const wanted = parseIp(hostIp);
  if (wanted === undefined || wanted.value === 0n || /^0+$/.test(address)) return true;
  const words = address.match(/.{8}/g) ?? [];
  const value = words.map((word) => (word.match(/../g) ?? []).reverse().join("")).join("");
  const plain = BigInt(`0x${value}`);
  return plain === wanted.value || plain === (0xffff00000000n | wanted.value); // IPv4-mapped
}

function ownerOf(inodes: ReadonlySet<string>): PortHolder | undefined {
  for (const pid of readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(pid)) continue;
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        if (!inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`))) continue;
        return { pid: Number(pid), program: readFileSync(`/proc/${pid}/comm`, "utf8").trim() };
      }
    } catch {
      // The process or descriptor went away while we looked.
    }
  }
  return undefined;
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").slice(1);
  } catch {
    return []; // no such protocol in this kernel
  }
}
