import { expect, setDefaultTimeout, test } from "bun:test";
import {
  ask,
  caller,
  failure,
  must,
  NetworkLab,
  OtherHost,
  port,
  run,
  serve,
} from "../../test/fixtures/network-lab.ts";
import { type ErrorKind, errorKind, errorMessage } from "../base/errors.ts";
import { overlaps, parseCidr } from "../base/ip.ts";

setDefaultTimeout(30_000); // milliseconds; programs start slowly on a loaded machine

async function expectRefusal(work: Promise<unknown>, kind: ErrorKind, text: string): Promise<void> {
  const error = await work.then(
    () => "no error",
    (reason: unknown) => reason,
  );
  expect([errorKind(error), errorMessage(error)]).toEqual([kind, text]);
}

const attach = (network: string, wish: object = {}) => ({ network, aliases: [], driverOptions: {}, ...wish });
const on = (...networks: string[]) => ({
  mode: "networks" as const,
  attachments: networks.map((network) => attach(network)),
});

test("the predefined networks keep their ids over restarts and the default bridge overlaps no route", async () => {
  await using lab = await NetworkLab.start();
  const before = lab.networks.list();
  expect(before.map(({ name, driver }) => `${name} ${driver}`)).toEqual(["bridge bridge", "host host", "none null"]);
  expect(lab.networks.get("bridge").options["com.docker.network.bridge.name"]).toBe(lab.engine);
  const subnet = parseCidr(before[0]?.ipam.pools[0]?.subnet ?? "");
  for (const line of (await must("ip", "-4", "route", "show", "table", "main")).split("\n")) {
    const [destination = "", ...rest] = line.split(" ");
    const route = parseCidr(destination.includes("/") ? destination : `${destination}/32`);
    if (rest.includes(lab.engine) || route === undefined || subnet === undefined) continue;
    expect(overlaps(route, subnet)).toBe(false);
  }
  await lab.networks.shutdown();
  await lab.begin();
  expect(lab.networks.list()).toEqual(before);
});

test("a user-defined network connects its containers, and keeps those of other networks out", async () => {
  await using lab = await NetworkLab.start();
  const { id } = await lab.create("red", { labels: { a: "b" } });
  await lab.create("blue");
  expect(lab.networks.get("red").labels).toEqual({ a: "b" });
  expect(lab.networks.get(id.slice(0, 10)).name).toBe("red");
  const [one, two, three] = [
    await lab.open("one", on("red")),
    await lab.open("two", on("red")),
    await lab.open("three", on("blue")),
  ];
  const address = one.endpoints[0]?.ipv4 ?? "";
  await using _server = await serve(one.netnsPath, "one", 80);
  expect(await ask(two.netnsPath, address, 80)).toStartWith("one ");
  expect(await ask("", address, 80)).toStartWith("one ");
  expect(await ask(three.netnsPath, address, 80)).toStartWith("no answer");
  expect([...lab.networks.endpoints(id).values()].map(({ containerName }) => containerName)).toEqual(["one", "two"]);
  await expectRefusal(
    lab.networks.remove("red", { caller }),
    "forbidden",
    `error while removing network: network red has active endpoints (name:"one" id:"${one.plan.containerId.slice(0, 12)}", name:"two" id:"${two.plan.containerId.slice(0, 12)}")`,
  );
  expect(
    lab.events
      .filter(({ type }) => type === "network")
      .map(({ action, attributes }) => `${action} ${attributes["name"]} ${attributes["type"]}`),
  ).toEqual([
    "create red bridge",
    "create blue bridge",
    "connect red bridge",
    "connect red bridge",
    "connect blue bridge",
  ]);
});

test("an internal network has no way out and no published ports", async () => {
  await using lab = await NetworkLab.start();
  await using other = await OtherHost.start();
  await lab.create("inner", { internal: true });
  const [one, two] = [await lab.open("one", { ...on("inner"), ports: [port(80)] }), await lab.open("two", on("inner"))];
  expect(one.ports).toEqual([]);
  await using _outside = await serve(other.netns, "outside", 80);
  await using _one = await serve(one.netnsPath, "one", 80);
  expect(await ask(two.netnsPath, one.endpoints[0]?.ipv4 ?? "", 80)).toStartWith("one ");
  expect(await ask(two.netnsPath, other.own, 80)).toStartWith("no answer");
  // Neither with a route that the container makes for itself.
  await run(
    "nsenter",
    `--net=${two.netnsPath}`,
    "ip",
    "route",
    "add",
    "default",
    "via",
    lab.networks.get("inner").ipam.pools[0]?.gateway ?? "",
  );
  expect(await ask(two.netnsPath, other.own, 80)).toStartWith("no answer");
  const free = await lab.open("free");
  expect(await ask(free.netnsPath, other.own, 80)).toBe(`outside ::ffff:${other.host}`); // masqueraded
}, 20_000);

test("an IPv6 network gives addresses, a default route and ports that show the client's address", async () => {
  await using lab = await NetworkLab.start();
  await using other = await OtherHost.start();
  await lab.create("six", { enableIpv6: true, pools: [{ subnet: "fd55:1::/64" }] });
  const [one, two] = [await lab.open("one", { ...on("six"), ports: [port(80)] }), await lab.open("two", on("six"))];
  expect(one.endpoints[0]).toMatchObject({ ipv6: "fd55:1::2", ipv6PrefixLength: 64, ipv6Gateway: "fd55:1::1" });
  await using _one = await serve(one.netnsPath, "one", 80);
  await using _outside = await serve(other.netns, "outside", 80);
  const at = one.ports[0]?.hostPort ?? 0;
  expect(await ask(two.netnsPath, "fd55:1::2", 80)).toBe("one fd55:1::3");
  expect(await ask(other.netns, other.host6, at)).toBe(`one ${other.own6}`);
  expect(await ask("", "::1", at)).toStartWith("one ");
  expect(await ask("", other.host6, at)).toStartWith("one ");
  expect(await ask(two.netnsPath, other.own6, 80)).toBe(`outside ${other.host6}`); // masqueraded
}, 20_000);

test("containers without inter-container traffic do not reach each other, though the host reaches both", async () => {
  await using lab = await NetworkLab.start();
  await lab.create("quiet", { options: { "com.docker.network.bridge.enable_icc": "false" } });
  const [one, two] = [await lab.open("one", on("quiet")), await lab.open("two", on("quiet"))];
  await using _one = await serve(one.netnsPath, "one", 80);
  expect(await ask("", one.endpoints[0]?.ipv4 ?? "", 80)).toStartWith("one ");
  expect(await ask(two.netnsPath, one.endpoints[0]?.ipv4 ?? "", 80)).toStartWith("no answer");
});

test("wanted addresses, ranges and MACs are kept; what cannot be is refused in Docker's words", async () => {
  await using lab = await NetworkLab.start();
  await lab.create("own", {
    pools: [
      {
        subnet: "10.213.4.0/24",
        ipRange: "10.213.4.128/25",
        gateway: "10.213.4.254",
        auxAddresses: { router: "10.213.4.128" },
      },
    ],
  });
  await lab.create("chosen");
  const open = (name: string, wish: object) => lab.open(name, { mode: "networks", attachments: [attach("own", wish)] });
  const one = await open("one", { ipv4: "10.213.4.9", mac: "02:00:00:00:00:09" });
  expect(one.endpoints[0]).toMatchObject({
    ipv4: "10.213.4.9",
    ipv4Gateway: "10.213.4.254",
    mac: "02:00:00:00:00:09",
    interfaceName: "eth0",
  });
  expect(await must("nsenter", `--net=${one.netnsPath}`, "ip", "link", "show", "eth0")).toContain("02:00:00:00:00:09");
  expect((await open("two", {})).endpoints[0]?.ipv4).toBe("10.213.4.129");
  await expectRefusal(open("three", { ipv4: "10.213.4.9" }), "forbidden", "Address already in use");
  await expectRefusal(open("three", { ipv4: "10.213.4.254" }), "forbidden", "Address already in use");
  await expectRefusal(
    open("three", { ipv4: "10.99.0.9" }),
    "invalid",
    "Invalid address 10.99.0.9: It does not belong to any of this network's subnets",
  );
  await expectRefusal(open("three", { ipv4: "10.213.4.300" }), "invalid", "invalid IP address: 10.213.4.300");
  await expectRefusal(open("three", { mac: "02:00:00:00:00" }), "invalid", "invalid MAC address: 02:00:00:00:00");
  await expectRefusal(
    lab.open("three", { attachments: [attach("bridge", { ipv4: "10.213.4.9" })] }),
    "invalid",
    "user-specified IP address is supported on user-defined networks only",
  );
  await expectRefusal(
    lab.open("three", { mode: "networks", attachments: [attach("chosen", { ipv4: "10.213.4.9" })] }),
    "invalid",
    "user specified IP address is supported only when connecting to networks with user configured subnets",
  );
  await expectRefusal(lab.open("three", on("nosuch")), "not-found", "network nosuch not found");
  await expectRefusal(
    lab.open("three", on("own", "own")),
    "forbidden",
    "endpoint with name three already exists in network own",
  );
  expect(
    [...lab.networks.endpoints(lab.networks.get("own").id).values()].map(({ containerName }) => containerName),
  ).toEqual(["one", "two"]);
});

test("a full network says so, and has room again when a container went", async () => {
  await using lab = await NetworkLab.start();
  const { id } = await lab.create("tiny", { pools: [{ subnet: "10.213.5.0/30" }] });
  const one = await lab.open("one", on("tiny"));
  await expectRefusal(
    lab.open("two", on("tiny")),
    "internal",
    `no available IPv4 addresses on this network's address pools: tiny (${id})`,
  );
  await lab.close(one.plan);
  expect((await lab.open("two", on("tiny"))).endpoints[0]?.ipv4).toBe("10.213.5.2");
});

test("bad requests for networks are refused in Docker's words and change nothing", async () => {
  await using lab = await NetworkLab.start();
  await lab.create("taken", { pools: [{ subnet: "10.213.6.0/24" }] });
  const before = lab.networks.list();
  const pools = (pool: object) => ({ pools: [pool] });
  const config = (text: string) => `invalid network config:\n${text}`;
  const cases: [string, object, ErrorKind, string][] = [
    ["taken", {}, "conflict", "network with name taken already exists"],
    ["bridge", {}, "forbidden", "operation is not permitted on predefined bridge network "],
    ["", {}, "invalid", 'invalid name: "" is no name for a network'],
    ["a/b", {}, "invalid", 'invalid name: "a/b" is no name for a network'],
    ["a\nb", {}, "invalid", 'invalid name: "a\\nb" is no name for a network'],
    ["x", { driver: "nosuch" }, "not-found", 'plugin "nosuch" not found'],
    ["x", { driver: "constructor" }, "not-found", 'plugin "constructor" not found'],
    ["x", { driver: "host" }, "forbidden", 'only one instance of "host" network is allowed'],
    ["x", { driver: "null" }, "forbidden", 'only one instance of "null" network is allowed'],
    [
      "x",
      pools({ subnet: "10.213.6.128/25" }),
      "forbidden",
      "invalid pool request: Pool overlaps with other one on this address space",
    ],
    [
      "x",
      pools({ subnet: "10.213.0.0/16" }),
      "forbidden",
      "invalid pool request: Pool overlaps with other one on this address space",
    ],
    [
      "x",
      pools({ subnet: "10.213.7.1/24" }),
      "invalid",
      config("invalid subnet 10.213.7.1/24: it should be 10.213.7.0/24"),
    ],
    ["x", pools({ subnet: "10.213.7.0" }), "invalid", config("invalid subnet 10.213.7.0: invalid CIDR block notation")],
    [
      "x",
      pools({ subnet: '10.213.7.0/24" ; flush ruleset' }),
      "invalid",
      config('invalid subnet 10.213.7.0/24" ; flush ruleset: invalid CIDR block notation'),
    ],
    [
      "x",
      pools({ subnet: "10.213.7.0/32" }),
      "invalid",
      config("invalid subnet 10.213.7.0/32: too small for a gateway and containers"),
    ],
    [
      "x",
      pools({ subnet: "10.213.7.0/24", gateway: "10.1.1.1" }),
      "invalid",
      config("invalid gateway 10.1.1.1: parent subnet 10.213.7.0/24 doesn't contain this address"),
    ],
    [
      "x",
      pools({ subnet: "10.213.7.0/24", ipRange: "10.213.0.0/16" }),
      "invalid",
      config("invalid ip-range 10.213.0.0/16: CIDR block is bigger than its parent subnet 10.213.7.0/24"),
    ],
    [
      "x",
      pools({ subnet: "10.213.7.0/24", auxAddresses: { a: "b" } }),
      "invalid",
      config("invalid auxiliary address b: invalid address"),
    ],
    [
      "x",
      { options: { "com.docker.network.bridge.name": 'a" drop' } },
      "invalid",
      'network option com.docker.network.bridge.name: "a\\" drop" is no name for an interface',
    ],
    [
      "x",
      { options: { "com.docker.network.driver.mtu": "lots" } },
      "invalid",
      'network option com.docker.network.driver.mtu: "lots" is not between 68 and 65535',
    ],
  ];
  for (const [name, wish, kind, text] of cases) await expectRefusal(lab.create(name, wish), kind, text);
  expect(lab.networks.list()).toEqual(before);
  await expectRefusal(
    lab.networks.remove("none", { caller }),
    "forbidden",
    "none is a pre-defined network and cannot be removed",
  );
  await expectRefusal(lab.networks.remove("nosuch", { caller }), "not-found", "network nosuch not found");
  // A link that exists and is no bridge: nothing half-made stays.
  expect(
    (await lab.create("x", { options: { "com.docker.network.bridge.name": "lo" } }).catch(errorMessage)) as unknown,
  ).toContain("lo");
  expect(lab.networks.list()).toEqual(before);
});

test("forty networks made at once overlap nowhere, and prune leaves nothing of them", async () => {
  await using lab = await NetworkLab.start();
  await Promise.all(
    Array.from({ length: 40 }, (_, index) => lab.create(`n${index}`, index === 7 ? { labels: { keep: "" } } : {})),
  );
  const subnets = lab.networks
    .list()
    .flatMap(({ ipam }) => ipam.pools.flatMap(({ subnet }) => parseCidr(subnet) ?? []));
  expect(subnets.length).toBe(41);
  for (const [index, one] of subnets.entries())
    expect(subnets.slice(0, index).some((other) => overlaps(one, other))).toBe(false);
  const bridges = lab.networks.list().map(({ id }) => `br-${id.slice(0, 12)}`);
  const used = await lab.open("used", on("n3"));
  const pruned = await lab.networks.prune({ keep: ({ labels }) => "keep" in labels, caller });
  expect(pruned.length).toBe(38);
  await lab.close(used.plan);
  await lab.networks.prune({ keep: () => false, caller });
  const links = await must("ip", "-br", "link", "show", "type", "bridge");
  expect(bridges.filter((bridge) => links.includes(bridge))).toEqual([]);
}, 30_000);

test("bip, fixed-cidr, mtu and a network's host binding are kept; senseless ones are refused and leave nothing", async () => {
  await using lab = await NetworkLab.start({ bip: "10.214.0.1/24", fixedCidr: "10.214.0.128/25", mtu: 1300 });
  expect(lab.networks.get("bridge").ipam.pools).toEqual([
    { subnet: "10.214.0.0/24", gateway: "10.214.0.1", ipRange: "10.214.0.128/25" },
  ]);
  const box = await lab.open("box");
  expect(box.endpoints[0]).toMatchObject({ ipv4: "10.214.0.128", ipv4Gateway: "10.214.0.1" });
  expect(await must("nsenter", `--net=${box.netnsPath}`, "ip", "link", "show", "eth0")).toContain("mtu 1300");
  await lab.create("local", { options: { "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1" } });
  const bound = await lab.open("bound", { ...on("local"), ports: [port(80)] });
  expect(bound.ports.map(({ hostIp }) => hostIp)).toEqual(["127.0.0.1"]);
  for (const [config, text] of [
    [
      { bip: "10.215.0.0/24" },
      "bip 10.215.0.0/24: not an IPv4 address of a host with its prefix length, as in 172.30.0.1/16",
    ],
    [
      { bip: "10.215.0.1/24", fixedCidr: "10.216.0.0/25" },
      "fixed-cidr 10.216.0.0/25 is not in the default bridge's subnet 10.215.0.0/24: set bip too",
    ],
    [
      { defaultAddressPools: [{ base: "10.0.0.0/8", size: 4 }] },
      "default address pool 10.0.0.0/8: size 4 is not between 8 and 30",
    ],
  ] as const)
    expect(await failure(NetworkLab.start(config))).toBe(text);
});
