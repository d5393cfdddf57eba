import type { IPAMConfig } from "../../spec/engine/types.gen.ts";
import { command } from "../command.ts";
import { splitCommas } from "../values/csv.ts";
import { checkLabel, keyValueMap, parseLabels } from "../values/label.ts";
import { assembleIpam } from "./ipam.ts";

export const networkCreate = command({
  path: "network create",
  args: "NETWORK",
  arity: { min: 1, max: 1 },
  summary: "Create a network",
  flags: {
    attachable: { type: "bool", help: "Enable manual container attachment" },
    "aux-address": {
      type: "list",
      valueName: "map",
      defaultText: "map[]",
      help: "Auxiliary IPv4 or IPv6 addresses used by Network driver",
    },
    "config-from": { type: "string", help: "The network from which to copy the configuration", complete: "network" },
    "config-only": { type: "bool", help: "Create a configuration only network" },
    driver: { type: "string", short: "d", default: "bridge", help: "Driver to manage the Network" },
    gateway: { type: "list", valueName: "strings", help: "IPv4 or IPv6 Gateway for the master subnet" },
    ingress: { type: "bool", help: "Create swarm routing-mesh network" },
    internal: { type: "bool", help: "Restrict external access to the network" },
    "ip-range": { type: "list", valueName: "strings", help: "Allocate container ip from a sub-range" },
    "ipam-driver": { type: "string", default: "default", help: "IP Address Management Driver" },
    "ipam-opt": { type: "list", valueName: "map", defaultText: "map[]", help: "Set IPAM driver specific options" },
    ipv4: { type: "bool", default: true, help: "Enable or disable IPv4 address assignment" },
    ipv6: { type: "bool", help: "Enable or disable IPv6 address assignment" },
    label: { type: "list", check: checkLabel, help: "Set metadata on a network" },
    opt: { type: "list", short: "o", valueName: "map", defaultText: "map[]", help: "Set driver specific options" },
    scope: { type: "string", help: "Control the network's scope" },
    subnet: { type: "list", valueName: "strings", help: "Subnet in CIDR format that represents a network segment" },
  },
  async run({ flags, args: [Name = ""], set, engine, stdout, stderr }) {
    const Config: IPAMConfig[] = assembleIpam({
      subnets: splitCommas(flags.subnet),
      ranges: splitCommas(flags["ip-range"]),
      gateways: splitCommas(flags.gateway),
      auxiliary: keyValueMap(flags["aux-address"]),
    });
    const { Id, Warning } = await engine.call(
      "NetworkCreate",
      {},
      {
        Name,
        Driver: flags.driver,
        Scope: flags.scope ?? "",
        Internal: flags.internal,
        Attachable: flags.attachable,
        Ingress: flags.ingress,
        ConfigOnly: flags["config-only"],
        ...(flags["config-from"] === undefined ? {} : { ConfigFrom: { Network: flags["config-from"] } }),
        ...(set.has("ipv4") ? { EnableIPv4: flags.ipv4 } : {}),
        ...(set.has("ipv6") ? { EnableIPv6: flags.ipv6 } : {}),
        IPAM: { Driver: flags["ipam-driver"], Options: keyValueMap(flags["ipam-opt"]), Config },
        Options: keyValueMap(flags.opt),
        Labels: parseLabels(flags.label),
      },
    );
    if (Warning) stderr.write(`WARNING: ${Warning}\n`);
    stdout.write(`${Id}\n`);
  },
});
