import type { Protocol } from "../../networks/network.ts";

export interface Link {
  /** Name of this container and alias of the other: `web/db`. */
  readonly name: string;
  readonly alias: string;
  /** Address of the linked container. */
  readonly ip: string;
  readonly env: readonly string[];
  readonly ports: readonly { readonly port: number; readonly protocol: Protocol }[];
}

/** The variables of `--link`, as old images expect them: DB_PORT, DB_PORT_5432_TCP_ADDR, DB_NAME, DB_ENV_x. */
export function linkEnv(link: Link): string[] {
  const prefix = link.alias.toUpperCase().replaceAll("-", "_");
  const ports = link.ports.toSorted(
    (a, b) =>
      Number(b.protocol === "tcp") - Number(a.protocol === "tcp") ||
      a.protocol.localeCompare(b.protocol) ||
      a.port - b.port,
  );
  const url = ({ port, protocol }: Link["ports"][number]): string => `${protocol}://${link.ip}:${port}`;
  const named = ({ port, protocol }: Link["ports"][number]): string =>
    `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
  const rows: string[] = ports[0] ? [`${prefix}_PORT=${url(ports[0])}`] : [];
  for (const range of consecutive(ports)) {
    for (const port of range) {
      const name = named(port);
      rows.push(
        `${name}=${url(port)}`,
        `${name}_ADDR=${link.ip}`,
        `${name}_PORT=${port.port}`,
        `${name}_PROTO=${port.protocol}`,
      );
    }
    const [first] = range;
    const last = range.at(-1);
    if (!first || !last || first === last) continue;
    const name = named(first);
    rows.push(
      `${name}_START=${url(first)}`,
      `${name}_PORT_START=${first.port}`,
      `${name}_END=${url(last)}`,
      `${name}_PORT_END=${last.port}`,
    );
  }
  rows.push(`${prefix}_NAME=/${link.name}`);
  for (const row of link.env) {
    const name = row.split("=", 1)[0] ?? "";
    if (row.includes("=") && name !== "HOME" && name !== "PATH") rows.push(`${prefix}_ENV_${row}`);
  }
  return rows;
}

function consecutive(ports: Link["ports"]): Link["ports"][number][][] {
  const ranges: Link["ports"][number][][] = [];
  for (const port of ports) {
    const last = ranges.at(-1)?.at(-1);
    if (last && last.protocol === port.protocol && last.port + 1 === port.port) ranges.at(-1)?.push(port);
    else ranges.push([port]);
  }
  return ranges;
}
