import { networkInterfaces } from "node:os";
import { parseIp } from "../base/ip.ts";
import { bridgeOptions, gatewayMode } from "./bridge/bridge.ts";
import type { Endpoint, Network, PublishedPort, Sandbox } from "./network.ts";
import { readBoolean } from "./options.ts";
import { parentOptions } from "./parents.ts";

/** One way to a container, and who can take it. */
export interface Exposure {
  /** `80/tcp`; `*` = every port. */
  readonly port: string;
  /** Where it is reached: `0.0.0.0:8080`, an address, or empty. */
  readonly address: string;
  readonly reachedBy: readonly string[];
}

export interface ExposureView {
  readonly network: (id: string) => Network | undefined;
  /** How many other containers are on it. */
  readonly others: (networkId: string) => number;
  readonly addresses: () => readonly { readonly address: string; readonly link: string }[];
}

/** Who can reach a running container, and how. Says nothing of firewalls that others run, here or on the way. */
export function exposureOf(mode: string, sandbox: Sandbox, view: ExposureView): Exposure[] {
  if (mode === "host") {
    const reachedBy = ["this host", `every host that reaches ${listed(view.addresses())}`];
    return [{ port: "*", address: "", reachedBy }];
  }
  return [
    ...sandbox.ports.map((port) => byPort(port, sandbox, view)),
    ...sandbox.endpoints.flatMap((one) => byNetwork(one, view)),
  ];
}

function byPort(port: PublishedPort, sandbox: Sandbox, view: ExposureView): Exposure {
  const name = `${port.containerPort}/${port.protocol}`;
  const six = port.hostIp.includes(":");
  if (port.hostPort === 0) {
    const own =
      sandbox.endpoints.map((endpoint) => (six ? endpoint.ipv6 : endpoint.ipv4)).find((text) => text !== "") ?? "";
    return { port: name, address: bracketed(own), reachedBy: [`every host with a route to ${own}`] };
  }
  const address = `${bracketed(port.hostIp)}:${port.hostPort}`;
  const ip = parseIp(port.hostIp);
  const local = port.hostIp === "::1" || (ip?.family === 4 && ip.value >> 24n === 127n);
  if (local) return { port: name, address, reachedBy: ["this host"] };
  const all = view.addresses().filter((row) => row.address.includes(":") === six);
  const reached = ip?.value === 0n ? all : all.filter((row) => row.address === port.hostIp);
  return {
    port: name,
    address,
    reachedBy: [
      "this host",
      reached.length === 0
        ? "nobody else: the host has no such address now"
        : `every host that reaches ${listed(reached)}`,
      "containers of networks that are not internal",
    ],
  };
}

function byNetwork(endpoint: Endpoint, view: ExposureView): Exposure[] {
  const network = view.network(endpoint.networkId);
  if (network === undefined) return [];
  return [endpoint.ipv4, endpoint.ipv6]
    .filter((text) => text !== "")
    .map((address) => ({
      port: "*",
      address,
      reachedBy: neighbours(network, address.includes(":") ? 6 : 4, view),
    }));
}

function neighbours(network: Network, family: 4 | 6, view: ExposureView): string[] {
  const others = view.others(network.id);
  const peers = `containers of network ${network.name} (${others} now)`;
  switch (network.driver) {
    case "bridge": {
      const mode = gatewayMode(network, family);
      return [
        ...(mode === "isolated" ? [] : ["this host"]),
        ...(readBoolean(network.options[bridgeOptions.icc], true) ? [peers] : []),
        ...(mode === "nat-unprotected" ? ["every host with a route to it"] : []),
      ];
    }
    case "macvlan":
    case "ipvlan": {
      const parent = network.options[parentOptions.parent];
      return [peers, ...(parent === undefined ? [] : [`every machine on the wire of ${parent}`])];
    }
    default:
      return [peers, "whom its plugins let in"];
  }
}

/** The host's addresses besides the loopback's. */
export const hostAddresses = (): { address: string; link: string }[] =>
  Object.entries(networkInterfaces()).flatMap(([link, rows]) =>
    (rows ?? [])
      .filter(({ internal, address }) => !internal && !address.startsWith("fe80:"))
      .map(({ address }) => ({ address, link })),
  );

const listed = (rows: readonly { readonly address: string; readonly link: string }[]): string =>
  rows.map(({ address, link }) => `${address} (${link})`).join(", ");

const bracketed = (address: string): string => (address.includes(":") ? `[${address}]` : address);
