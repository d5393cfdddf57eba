import { expect, test } from "bun:test";
import { type ChildKind, knowsLink } from "../kernel/netlink/child-link.ts";
import { NetlinkSocket } from "../kernel/netlink/netlink-socket.ts";
import { errorKind, errorMessage } from "../base/errors.ts";
import { KernelClient } from "./sandbox/kernel-client.ts";
import type { AttachedEndpoint } from "./sandbox/sandbox-row.ts";
import type { KnownNetwork } from "./driver.ts";
import { networkDrivers } from "./drivers.ts";

/** What a driver's own test tells of it. */
export interface DriverFacts {
  readonly name: keyof typeof networkDrivers;
  /** The host's link that up() makes for a network; undefined = none. */
  readonly hostLink?: (network: KnownNetwork) => string;
  /** Kind of link that the kernel may lack: then up() must say so. */
  readonly needs?: ChildKind["kind"];
  /** Options without which the driver makes no network. */
  readonly options?: Readonly<Record<string, string>>;
}

function lacks(kind: ChildKind["kind"]): boolean {
  using socket = NetlinkSocket.open("route");
  return !knowsLink(socket, kind);
}

const createRequest = {
  name: "conformance",
  internal: false,
  attachable: false,
  enableIpv4: true,
  enableIpv6: false,
  labels: {},
  options: {},
  pools: [],
  ipamDriver: "default",
  ipamOptions: {},
  caller: { via: "engine" },
} as const;

/** The rules of NetworkDriver, for every driver. Needs root: it works on the host's real links. */
export function networkDriverConformance(facts: DriverFacts): void {
  const network: KnownNetwork = {
    ...createRequest,
    id: Bun.hash(`${facts.name} ${process.pid}`).toString(16).padStart(64, "0").slice(-16).padEnd(64, "0"),
    driver: facts.name,
    createdAtNs: 1n,
    userSubnets: true,
    hiddenIpv6Subnet: "",
    pending: false,
    predefined: false,
    ipam: { driver: "default", options: {}, pools: [{ subnet: "198.19.250.0/24", gateway: "198.19.250.1" }] },
  };
  const endpoint: AttachedEndpoint = {
    id: "e".repeat(64),
    networkId: network.id,
    networkName: network.name,
    interfaceName: "eth0",
    hostName: "vethconform",
    mac: "02:42:c6:13:fa:02",
    ipv4: "198.19.250.2",
    ipv4PrefixLength: 24,
    ipv4Gateway: "198.19.250.1",
    ipv6: "",
    ipv6PrefixLength: 0,
    ipv6Gateway: "",
    hiddenIpv6: "",
    aliases: [],
    dnsNames: [],
    gatewayPriority: 0,
  };
  const links = async (): Promise<string> => new Response(Bun.spawn(["ip", "-br", "link"]).stdout).text();

  test(`${facts.name}: up() and down() may be repeated, and down() leaves what was there before`, async () => {
    const driver = await networkDrivers[facts.name]();
    const kernel = new KernelClient({ onRulesLost() {} });
    try {
      const link = facts.hostLink?.(network);
      await driver.down(network, { kernel, mtu: 1500 });
      if (facts.needs !== undefined && lacks(facts.needs)) {
        const refusal = await driver.up(network, { kernel, mtu: 1500 }).then(
          () => "nothing",
          (error: unknown) => `${errorKind(error)}: ${errorMessage(error)}`,
        );
        expect(refusal).toStartWith(`unavailable: this kernel has no ${facts.needs} interfaces`);
        if (link !== undefined) expect(await links()).not.toContain(`${link} `);
        return;
      }
      await driver.up(network, { kernel, mtu: 1500 });
      await driver.up(network, { kernel, mtu: 1500 });
      if (link !== undefined) expect(await links()).toContain(`${link} `);
      await driver.down(network, { kernel, mtu: 1500 });
      await driver.down(network, { kernel, mtu: 1500 });
      if (link !== undefined) expect(await links()).not.toContain(`${link} `);
    } finally {
      await kernel.close();
    }
  });

  test(`${facts.name}: an addressed driver links every endpoint, with its addresses, and routes only by the gateway`, async () => {
    const driver = await networkDrivers[facts.name]();
    const plain = driver.link(network, endpoint, { gateway: false, mtu: 1400 });
    const gateway = driver.link(network, endpoint, { gateway: true, mtu: 1400 });
    expect(plain !== undefined).toBe(driver.addressed);
    expect(driver.link(network, endpoint, { gateway: false, mtu: 1400 })).toEqual(plain);
    if (plain === undefined) return;
    expect(plain).toMatchObject({
      name: "eth0",
      mac: endpoint.mac,
      mtu: 1400,
      addresses: ["198.19.250.2/24"],
      gateways: [],
    });
    expect(gateway).toEqual({ ...plain, gateways: ["198.19.250.1"] });
    // Ports can be published where the firewall knows the network, and nowhere else.
    expect(driver.firewalled(network)?.subnets).toEqual(driver.publishes ? ["198.19.250.0/24"] : undefined);
  });

  test(`${facts.name}: check() takes a request with no more options than it needs`, async () => {
    const driver = await networkDrivers[facts.name]();
    expect(() => driver.check({ ...createRequest, driver: facts.name, options: facts.options ?? {} })).not.toThrow();
  });

  test(`${facts.name}: check() refuses options that it does not know, by name`, async () => {
    const driver = await networkDrivers[facts.name]();
    if (!driver.creatable) return;
    const refused = (): void => driver.check({ ...createRequest, driver: facts.name, options: { "no.such": "1" } });
    expect(refused).toThrow("no.such");
  });
}
