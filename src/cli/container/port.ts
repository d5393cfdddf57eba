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
      if (!bindings || bindings.length === 0) throw new ExitError(1, `Error: No public port '${wanted}' published for ${id}`);
      stdout.write(bindings.map((binding) => `${address(binding)}\n`).join(""));
      return;
    }
    const lines = Object.entries(ports).flatMap(([from, bindings]) => (bindings ?? []).map((binding) => `${from} -> ${address(binding)}\n`));
    stdout.write(lines.sort(byPort).join(""));
  },
});

/** Natural order: 80 before 8080, 1.2.3.4 in its place. */
const byPort = (one: string, other: string): number => one.localeCompare(other, "en", { numeric: true });

function portKey(wanted: string): string {
  const [number = "", proto = "tcp"] = wanted.split("/", 2);
  if (!/^\d+$/.test(number)) throw new ExitError(1, `Error: invalid port (${number}): strconv.ParseUint: parsing "${number}": invalid syntax`);
  if (Number(number) > 65535) throw new ExitError(1, `Error: invalid port (${number}): strconv.ParseUint: parsing "${number}": value out of range`);
  return `${Number(number)}/${proto.toLowerCase()}`;
}

const address = ({ HostIp, HostPort }: PortBinding): string => `${HostIp?.includes(":") === true ? `[${HostIp}]` : HostIp}:${HostPort}`;
