import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import type { ContainerExposure, PortBinding } from "../../spec/engine/types.gen.ts";

export const port = command({
  path: "container port",
  aliases: ["port"],
  args: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  arity: { min: 1, max: 2, noneWith: "exposure" },
  summary: "List published ports, or where one port is published",
  complete: "running-container",
  flags: {
    exposure: { type: "bool", help: "Who can reach what: of one container, or of all that run" },
  },
  async run({ args, flags, engine, stdout }) {
    const [id = "", wanted] = args;
    if (flags.exposure) {
      if (wanted !== undefined) throw new ExitError(1, "--exposure takes at most one container");
      stdout.write(exposureTable(await engine.call("ContainerExposure", id === "" ? {} : { container: id })));
      return;
    }
    const { NetworkSettings } = await engine.call("ContainerInspect", { id });
    const ports = NetworkSettings?.Ports ?? {};
    if (wanted !== undefined) {
      const bindings = ports[portKey(wanted)];
      if (!bindings || bindings.length === 0)
        throw new ExitError(1, `Error: No public port '${wanted}' published for ${id}`);
      stdout.write(bindings.map((binding) => `${address(binding)}\n`).join(""));
      return;
    }
    const lines = Object.entries(ports).flatMap(([from, bindings]) =>
      (bindings ?? []).map((binding) => `${from} -> ${address(binding)}\n`),
    );
    stdout.write(lines.sort(byPort).join(""));
  },
});

/** One line per way and who can take it; what repeats is left out. */
function exposureTable(rows: readonly ContainerExposure[]): string {
  const lines = rows.flatMap(({ Name, Port, Address, ReachedBy }) =>
    (ReachedBy.length === 0 ? ["nobody"] : ReachedBy).map((who, at) =>
      at === 0 ? [Name, Port, Address, who] : ["", "", "", who],
    ),
  );
  const table = [["CONTAINER", "PORT", "ADDRESS", "REACHED BY"], ...lines];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((cells) => cells[column]?.length ?? 0)));
  return table
    .map(
      (cells) => `${cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("   ")
        .trimEnd()}
`,
    )
    .join("");
}

/** Natural order: numbers by their value, the rest byte by byte, so 0.0.0.0 comes before [::]. */
function byPort(one: string, other: string): number {
  const parts = (text: string): string[] => text.match(/\d+|\D/g) ?? [];
  const left = parts(one);
  const right = parts(other);
  for (let i = 0; i < left.length && i < right.length; i++) {
    const [a = "", b = ""] = [left[i], right[i]];
    if (a === b) continue;
    const numbers = /\d/.test(a) && /\d/.test(b);
    return numbers && Number(a) !== Number(b) ? Number(a) - Number(b) : a < b ? -1 : 1;
  }
  return left.length - right.length;
}

function portKey(wanted: string): string {
  const [number = "", proto = "tcp"] = wanted.split("/", 2);
  if (!/^\d+$/.test(number))
    throw new ExitError(1, `Error: invalid port (${number}): strconv.ParseUint: parsing "${number}": invalid syntax`);
  if (Number(number) > 65535)
    throw new ExitError(
      1,
      `Error: invalid port (${number}): strconv.ParseUint: parsing "${number}": value out of range`,
    );
  return `${Number(number)}/${proto.toLowerCase()}`;
}

const address = ({ HostIp, HostPort }: PortBinding): string =>
  `${HostIp?.includes(":") === true ? `[${HostIp}]` : HostIp}:${HostPort}`;
