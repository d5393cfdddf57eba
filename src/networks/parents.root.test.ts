import { existsSync } from "node:fs";
import { expect, setDefaultTimeout, test } from "bun:test";
import { ask, failure, must, NetworkLab, run, serve } from "../../test/fixtures/network-lab.ts";
import { knowsLink } from "../kernel/netlink/child-link.ts";
import { NetlinkSocket } from "../kernel/netlink/netlink-socket.ts";

setDefaultTimeout(30_000);

const on = (network: string, ipv4?: string) => ({
  mode: "networks" as const,
  attachments: [{ network, aliases: [], driverOptions: {}, ...(ipv4 === undefined ? {} : { ipv4 }) }],
});

/** A wire of the host with another machine at its end: a veth pair. */
async function wire(): Promise<AsyncDisposable & { parent: string; far: string }> {
  const parent = `wire${process.pid % 100_000}`;
  const far = `far-${process.pid}`;
  await must("ip", "netns", "add", far);
  await must("ip", "link", "add", parent, "type", "veth", "peer", "name", "eth0", "netns", far);
  await must("ip", "-n", far, "addr", "add", "10.211.7.1/24", "dev", "eth0");
  await must("ip", "-n", far, "link", "set", "eth0", "up");
  await must("ip", "-n", far, "link", "set", "lo", "up");
  await must("ip", "link", "set", parent, "up");
  return {
    parent,
    far: `/run/netns/${far}`,
    async [Symbol.asyncDispose]() {
      await run("ip", "link", "del", parent);
      await run("ip", "netns", "del", far);
    },
  };
}

test("macvlan: containers have their own MAC on the wire, find each other by name, and the far machine answers", async () => {
  await using lab = await NetworkLab.start();
  await using cable = await wire();
  const pools = [{ subnet: "10.211.7.0/24", gateway: "10.211.7.1", ipRange: "10.211.7.128/25" }];
  const options = { parent: cable.parent, host_access: "10.211.7.120" };
  const { id } = await lab.create("lan", { driver: "macvlan", pools, options });
  const web = await lab.open("web", {
    ...on("lan"),
    ports: [{ containerPort: 80, protocol: "tcp", hostIp: "", hostPort: 0 }],
  });
  const app = await lab.open("app", on("lan", "10.211.7.200"));
  expect([web.endpoints[0]?.ipv4, app.endpoints[0]?.ipv4, web.ports]).toEqual(["10.211.7.128", "10.211.7.200", []]);
  await using _served = await serve(web.netnsPath, "web", 80);
  expect(await ask(app.netnsPath, "10.211.7.128", 80)).toContain("web");
  expect(await ask(cable.far, "10.211.7.128", 80)).toContain("web");
  await using _far = await serve(cable.far, "far", 81);
  expect(await ask(app.netnsPath, "10.211.7.1", 81)).toContain("far");
  // by host_access the host reaches them too, which macvlan alone never lets it
  expect(await ask("", "10.211.7.128", 80)).toContain("web");
  expect(await must("nsenter", `--net=${app.netnsPath}`, "ip", "route")).toContain("default via 10.211.7.1 dev eth0");
  await lab.close(web.plan);
  await lab.close(app.plan);
  await lab.networks.remove("lan", { caller: { via: "engine" } });
  expect(existsSync(`/sys/class/net/mv-${id.slice(0, 12)}`)).toBe(false);
  expect(existsSync(`/sys/class/net/${cable.parent}`)).toBe(true); // the host's own stays
});

test("macvlan without a parent is a wire of its own that nobody else is on; live connect works there", async () => {
  await using lab = await NetworkLab.start();
  const { id } = await lab.create("alone", { driver: "macvlan", internal: true });
  await lab.create("other");
  const one = await lab.open("one", on("alone"));
  const two = await lab.open("two", on("other"));
  const plan = { ...two.plan, attachments: [...two.plan.attachments, ...on("alone").attachments] };
  const both = await lab.networks.connect(
    two,
    plan,
    on("alone").attachments[0] ?? { network: "", aliases: [], driverOptions: {} },
    {
      caller: { via: "engine" },
    },
  );
  expect(both.endpoints.map(({ interfaceName }) => interfaceName)).toEqual(["eth0", "eth1"]);
  await using _served = await serve(one.netnsPath, "one", 80);
  expect(await ask(two.netnsPath, one.endpoints[0]?.ipv4 ?? "", 80)).toContain("one");
  await lab.networks.disconnect(both, two.plan, id, { caller: { via: "engine" } });
  expect(await ask(two.netnsPath, one.endpoints[0]?.ipv4 ?? "", 80)).toStartWith("no answer");
  await lab.close(one.plan);
  // Beside another network that names no parent either.
  await lab.networks.remove("alone", { caller: { via: "engine" } });
  for (const link of ["dm", "dp"]) expect(existsSync(`/sys/class/net/${link}-${id.slice(0, 12)}`)).toBe(false);
});

test("a missing parent, a VLAN and a driver that the kernel cannot do are refused by name, and nothing is left", async () => {
  await using lab = await NetworkLab.start();
  await using cable = await wire();
  const create = (driver: string, options: Record<string, string>): Promise<string> =>
    failure(lab.create("bad", { driver, options }));
  expect(await create("macvlan", { parent: "nosuch0" })).toBe(
    "the parent interface nosuch0 does not exist on this host",
  );
  expect(await create("macvlan", { parent: cable.parent, macvlan_mode: "odd" })).toContain(
    "is none of private, vepa, bridge, passthru",
  );
  expect(await create("macvlan", { parent: cable.parent, host_access: "10.0.0.1" })).toContain("needs an --ip-range");
  using socket = NetlinkSocket.open("route");
  const vlan = await create("macvlan", { parent: `${cable.parent}.50` });
  if (knowsLink(socket, "vlan")) expect(vlan).toBe("no failure");
  else expect(vlan).toContain("this kernel has no vlan interfaces (CONFIG_VLAN_8021Q)");
  const ip = await create("ipvlan", { parent: cable.parent });
  if (knowsLink(socket, "ipvlan")) expect(ip).toBe("no failure");
  else expect(ip).toContain("this kernel has no ipvlan interfaces (CONFIG_IPVLAN)");
  expect(await failure(lab.create("x", { driver: "nosuch" }))).toBe('plugin "nosuch" not found');
});
