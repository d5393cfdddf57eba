import { expect, test } from "bun:test";
import type { CreateRequest } from "../containers.ts";
import { normalized, testContainer } from "./request.fixture.ts";

const network = (request: CreateRequest) => normalized(request).plan.network;

test("a network of the user's needs no endpoint settings", () => {
  expect(network({ HostConfig: { NetworkMode: "net" } })).toEqual({
    mode: "networks",
    attachments: [{ network: "net", aliases: [], driverOptions: {} }],
    ports: [],
    sysctls: {},
  });
});

test("endpoint settings become attachments, the mode's network first", () => {
  const { attachments } = network({
    HostConfig: { NetworkMode: "front" },
    NetworkingConfig: {
      EndpointsConfig: {
        back: { GwPriority: 5 },
        front: {
          Aliases: ["web"],
          IPAMConfig: { IPv4Address: "10.9.0.5", IPv6Address: "fd00::5" },
          MacAddress: "02-42-AC-11-00-09",
          DriverOpts: { a: "1" },
          Links: ["db:db"],
        },
      },
    },
  });
  expect(attachments).toEqual([
    {
      network: "front",
      aliases: ["web"],
      ipv4: "10.9.0.5",
      ipv6: "fd00::5",
      mac: "02:42:ac:11:00:09",
      driverOptions: { a: "1" },
      links: ["db:db"],
    },
    { network: "back", aliases: [], driverOptions: {}, gatewayPriority: 5 },
  ]);
});

test("default means bridge, and its settings move along", () => {
  const { plan, request } = normalized({
    HostConfig: { NetworkMode: "default" },
    NetworkingConfig: { EndpointsConfig: { default: { MacAddress: "02:42:ac:11:00:09" } } },
  });
  expect(plan.network).toMatchObject({
    mode: "bridge",
    attachments: [{ network: "bridge", mac: "02:42:ac:11:00:09" }],
  });
  expect(request.hostConfig.NetworkMode).toBe("bridge");
  expect(request.networking.EndpointsConfig).toEqual({ bridge: { MacAddress: "02:42:ac:11:00:09" } });
});

test("NetworkDisabled is none", () => {
  expect(network({ NetworkDisabled: true })).toEqual({ mode: "none", attachments: [], ports: [], sysctls: {} });
});

test("ports: bindings, ranges, any free one, all that are exposed", () => {
  const ports = (request: CreateRequest) => network(request).ports;
  expect(
    ports({
      HostConfig: {
        PortBindings: {
          "80/tcp": [{ HostPort: "8080" }, { HostIp: "::1", HostPort: "" }],
          "53/udp": [{ HostIp: "127.0.0.1", HostPort: "5300-5310" }],
          "9/tcp": [],
        },
      },
    }),
  ).toEqual([
    { containerPort: 53, protocol: "udp", hostIp: "127.0.0.1", hostPort: [5300, 5310] },
    { containerPort: 80, protocol: "tcp", hostIp: "", hostPort: 8080 },
    { containerPort: 80, protocol: "tcp", hostIp: "::1", hostPort: 0 },
  ]);
  const exposed = { ExposedPorts: { "80/tcp": {}, "7000-7001/udp": {}, "81": {} } };
  expect(ports(exposed)).toEqual([]);
  expect(
    ports({ ...exposed, HostConfig: { PublishAllPorts: true, PortBindings: { "80/tcp": [{ HostPort: "8080" }] } } }),
  ).toEqual([
    { containerPort: 80, protocol: "tcp", hostIp: "", hostPort: 8080 },
    { containerPort: 81, protocol: "tcp", hostIp: "", hostPort: 0 },
    { containerPort: 7000, protocol: "udp", hostIp: "", hostPort: 0 },
    { containerPort: 7001, protocol: "udp", hostIp: "", hostPort: 0 },
  ]);
});

test("sysctls of the network are the sandbox's, too", () => {
  const { plan } = normalized({
    HostConfig: { Sysctls: { "net/core/somaxconn": "7", "kernel.shmmax": "9", "fs.mqueue.msg_max": "3" } },
  });
  expect(plan.sysctls).toEqual({ "net.core.somaxconn": "7", "kernel.shmmax": "9", "fs.mqueue.msg_max": "3" });
  expect(plan.network.sysctls).toEqual({ "net.core.somaxconn": "7" });
});

test("resolv: own values, else the daemon's; host-gateway; links on the default bridge only", () => {
  const others = [testContainer({}, { id: "c".repeat(64), name: "other" })];
  const host = {
    ExtraHosts: ["a:1.2.3.4", "gw:host-gateway", "six:fd00::1"],
    Links: ["other:db", "/other:/web/alias", "other"],
  };
  const defaults = {
    dns: ["9.9.9.9"],
    dnsSearch: ["lan"],
    dnsOptions: ["ndots:1"],
    hostGatewayIps: ["172.17.0.1", "fd00::9"],
  };
  const { resolv } = normalized({ HostConfig: { ...host, DnsSearch: ["."] } }, { others, defaults }).plan;
  expect(resolv).toEqual({
    nameservers: ["9.9.9.9"],
    search: [],
    options: ["ndots:1"],
    extraHosts: ["a:1.2.3.4", "gw:172.17.0.1", "gw:fd00::9", "six:fd00::1"],
    links: [
      { containerId: others[0]?.id ?? "", alias: "db" },
      { containerId: others[0]?.id ?? "", alias: "alias" },
      { containerId: others[0]?.id ?? "", alias: "other" },
    ],
  });
  expect(normalized({ HostConfig: { ...host, NetworkMode: "net" } }, { others, defaults }).plan.resolv.links).toEqual(
    [],
  );
  expect(() =>
    normalized({ HostConfig: { ExtraHosts: ["gw:host-gateway"] } }, { defaults: { hostGatewayIps: [] } }),
  ).toThrow("unable to derive the IP value for host-gateway");
});
