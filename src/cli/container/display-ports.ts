import type { PortSummary } from "../../spec/engine/types.gen.ts";

interface Run {
  readonly group: string;
  readonly type: string;
  start: number;
  end: number;
}

/** The PORTS column: neighbours become ranges (`0.0.0.0:80-82->80-82/tcp, 90/udp`), docker's order. */
export function displayPorts(ports: readonly PortSummary[]): string {
  const sorted = [...ports].sort(byPort);
  const runs: Run[] = [];
  const single: string[] = [];
  for (const { IP, PrivatePort, PublicPort, Type } of sorted) {
    const address = IP ? (IP.includes(":") ? `[${IP}]` : IP) : "";
    if (address !== "" && PublicPort !== PrivatePort) {
      single.push(`${address}:${PublicPort ?? 0}->${PrivatePort}/${Type}`);
      continue;
    }
    const last = runs.find((run) => run.group === address && run.type === Type && run.end + 1 === PrivatePort);
    if (last !== undefined) last.end = PrivatePort;
    else runs.push({ group: address, type: Type, start: PrivatePort, end: PrivatePort });
  }
  return [...runs.map(show), ...single].join(", ");
}

function show({ group, type, start, end }: Run): string {
  const range = start === end ? `${start}` : `${start}-${end}`;
  return group === "" ? `${range}/${type}` : `${group}:${range}->${range}/${type}`;
}

function byPort(one: PortSummary, other: PortSummary): number {
  return (
    one.PrivatePort - other.PrivatePort ||
    compare(one.IP ?? "", other.IP ?? "") ||
    (one.PublicPort ?? 0) - (other.PublicPort ?? 0) ||
    compare(one.Type, other.Type)
  );
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
