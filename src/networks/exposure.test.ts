import { expect, test } from "bun:test";
import { exposureOf, type ExposureView } from "./exposure.ts";
import type { Endpoint, Network, Sandbox } from "./network.ts";

const network = (name: string, driver: string, options: Record<string, string> = {}): Network => ({
  id: name,
  name,
  driver,
  options,
  createdAtNs: 1n,
  internal: false,
  attachable: false,
  enableIpv4: true,
  enableIpv6: false,
  labels: {},
  ipam: { driver: "default", options: {}, pools: [] },
});
const endpoint = (networkId: string, ipv4: string): Endpoint => ({
  id: "e",
  networkId,
  networkName: networkId,
  interfaceName: "eth0",
  mac: "",
  ipv4,
  ipv4PrefixLength: 24,
  ipv4Gateway: "",
  ipv6: "",
  ipv6PrefixLength: 0,
  ipv6Gateway: "",
  aliases: [],
  dnsNames: [],
});
const sandbox = (wish: Partial<Sandbox>): Sandbox => ({
  id: "s",
  netnsPath: "",
  endpoints: [],
  ports: [],
  nameservers: [],
  ...wish,
});
const networks = [
  network("front", "bridge"),
  network("shy", "bridge", { "com.docker.network.bridge.enable_icc": "false" }),
  network("open", "bridge", { "com.docker.network.bridge.gateway_mode_ipv4": "nat-unprotected" }),
  network("lan", "macvlan", { parent: "eth7" }),
];
const view: ExposureView = {
  network: (id) => networks.find((one) => one.id === id),
  others: () => 2,
  addresses: () => [
    { address: "192.0.2.5", link: "eth0" },
    { address: "2001:db8::5", link: "eth0" },
  ],
};
const port = (hostIp: string, hostPort = 8080) => ({ containerPort: 80, protocol: "tcp" as const, hostIp, hostPort });

test("published ports are as open as the address they are at", () => {
  const ways = exposureOf(
    "bridge",
    sandbox({ ports: [port("0.0.0.0"), port("::"), port("127.0.0.1"), port("192.0.2.5"), port("198.51.100.1")] }),
    view,
  );
  expect(ways.map(({ address, reachedBy }) => [address, reachedBy[1] ?? reachedBy[0]])).toEqual([
    ["0.0.0.0:8080", "every host that reaches 192.0.2.5 (eth0)"],
    ["[::]:8080", "every host that reaches 2001:db8::5 (eth0)"],
    ["127.0.0.1:8080", "this host"],
    ["192.0.2.5:8080", "every host that reaches 192.0.2.5 (eth0)"],
    ["198.51.100.1:8080", "nobody else: the host has no such address now"],
  ]);
});

test("on its networks every port of a container is open to whom the network lets in", () => {
  const reached = (id: string): readonly string[] =>
    exposureOf("networks", sandbox({ endpoints: [endpoint(id, "10.0.0.2")] }), view)[0]?.reachedBy ?? [];
  expect(reached("front")).toEqual(["this host", "containers of network front (2 now)"]);
  expect(reached("shy")).toEqual(["this host"]);
  expect(reached("open")).toContain("every host with a route to it");
  expect(reached("lan")).toEqual(["containers of network lan (2 now)", "every machine on the wire of eth7"]);
});

test("a routed port is at the container's own address, and the host's network is wholly open", () => {
  const routed = exposureOf(
    "networks",
    sandbox({ ports: [port("0.0.0.0", 0)], endpoints: [endpoint("front", "10.0.0.2")] }),
    view,
  )[0];
  expect(routed).toEqual({ port: "80/tcp", address: "10.0.0.2", reachedBy: ["every host with a route to 10.0.0.2"] });
  expect(exposureOf("host", sandbox({}), view)[0]?.reachedBy[1]).toContain("192.0.2.5 (eth0), 2001:db8::5 (eth0)");
});
