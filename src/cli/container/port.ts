import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import type { PortBinding } from "../../spec/engine/types.gen.ts";

export const port = command({
  path: "container port",
  aliases: ["port"],
  args: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  arity: { min: 1, max: 2 },
  summary: "List published ports, or where one port is published",
  complete: "running-container",
  flags: {},
  async run({ args, engine, stdout }) {
    const [id = "", wanted] = args;
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
