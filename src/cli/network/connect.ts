import { EngineError } from "../../base/errors.ts";
import type { EndpointSettings } from "../../spec/engine/types.gen.ts";
import { command } from "../command.ts";
import { splitCommas } from "../values/csv.ts";

export const networkConnect = command({
  path: "network connect",
  args: "NETWORK CONTAINER",
  arity: { min: 2, max: 2 },
  summary: "Connect a container to a network",
  complete: "network",
  flags: {
    alias: { type: "list", valueName: "strings", help: "Add network-scoped alias for the container" },
    "driver-opt": { type: "list", valueName: "strings", help: "driver options for the network" },
    "gw-priority": {
      type: "int",
      help: "Highest gw-priority provides the default gateway. Accepts positive and negative values.",
    },
    ip: { type: "string", help: 'IPv4 address (e.g., "172.30.100.104")' },
    ip6: { type: "string", help: 'IPv6 address (e.g., "2001:db8::33")' },
    link: { type: "list", check: checkLink, help: "Add link to another container" },
    "link-local-ip": { type: "list", valueName: "strings", help: "Add a link-local address for the container" },
  },
  async run({ flags, args: [id = "", Container = ""], engine }) {
    const EndpointConfig: EndpointSettings = {
      IPAMConfig: {
        IPv4Address: flags.ip ?? "",
        IPv6Address: flags.ip6 ?? "",
        LinkLocalIPs: splitCommas(flags["link-local-ip"]),
      },
      Links: flags.link,
      Aliases: splitCommas(flags.alias),
      DriverOpts: driverOptions(splitCommas(flags["driver-opt"])),
      ...(flags["gw-priority"] === undefined ? {} : { GwPriority: flags["gw-priority"] }),
    };
    await engine.call("NetworkConnect", { id }, { Container, EndpointConfig });
  },
});

/** opts.ValidateLink */
function checkLink(text: string): void {
  const parts = text.split(":");
  if (text === "") throw new EngineError("invalid", "empty string specified for links");
  if (parts.length > 2) throw new EngineError("invalid", `bad format for links: ${text}`);
}

function driverOptions(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair): [string, string] => {
      const equals = pair.indexOf("=");
      if (equals <= 0) throw new EngineError("invalid", "invalid key/value pair format in driver options");
      return [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()];
    }),
  );
}
