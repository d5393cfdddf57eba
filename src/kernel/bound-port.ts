import { closeSync } from "node:fs";
import { type Ip, ipBytes } from "../base/ip.ts";
import { check, memory, symbols, SyscallError } from "./call.ts";

const c = symbols({
  socket: { args: ["int", "int", "int"], returns: "int" },
  bind: { args: ["int", "ptr", "u32"], returns: "int" },
  setsockopt: { args: ["int", "int", "int", "ptr", "u32"], returns: "int" },
});

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_CLOEXEC = 0o2000000;
const kinds = { tcp: { type: 1, protocol: 6 }, udp: { type: 2, protocol: 17 }, sctp: { type: 1, protocol: 132 } };

/**
 * Takes a port of the host away from other programs: a socket that is bound and never listens. Null address = all of
 * both families. Gives the descriptor; closing it gives the port back. EADDRINUSE when a program has it,
 * EADDRNOTAVAIL when the host does not have the address, EPROTONOSUPPORT where the kernel lacks SCTP.
 */
export function bindPort(protocol: "tcp" | "udp" | "sctp", ip: Ip | null, port: number): number {
  try {
    return bindOne(protocol, ip ?? { family: 6, value: 0n }, port, ip === null);
  } catch (error) {
    const noIpv6 =
      ip === null && error instanceof SyscallError && ["EAFNOSUPPORT", "EADDRNOTAVAIL"].includes(error.code);
    if (!noIpv6) throw error;
    return bindOne(protocol, { family: 4, value: 0n }, port, false);
  }
}

function bindOne(protocol: "tcp" | "udp" | "sctp", ip: Ip, port: number, both: boolean): number {
  const kind = kinds[protocol];
  const family = ip.family === 4 ? AF_INET : AF_INET6;
  const fd = check("socket", () => c.socket(family, kind.type | SOCK_CLOEXEC, kind.protocol));
  try {
    if (family === AF_INET6) option(fd, 41 /* IPPROTO_IPV6 */, 26 /* IPV6_V6ONLY */, both ? 0 : 1);
    // While binding, so that connections in TIME_WAIT do not count as a holder; off afterwards, so that nobody else
    // with SO_REUSEADDR can listen here (inet_csk_bind_conflict wants it on both).
    if (protocol === "tcp") option(fd, 1, 2 /* SO_REUSEADDR */, 1);
    const name = memory(family === AF_INET ? 16 : 28);
    name.writeUInt16LE(family, 0);
    name.writeUInt16BE(port, 2);
    name.set(ipBytes(ip), family === AF_INET ? 4 : 8);
    check("bind", () => c.bind(fd, name, name.length));
    if (protocol === "tcp") option(fd, 1, 2, 0);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function option(fd: number, level: number, name: number, value: number): void {
  const bytes = memory(4);
  bytes.writeInt32LE(value, 0);
  check("setsockopt", () => c.setsockopt(fd, level, name, bytes, 4));
}
