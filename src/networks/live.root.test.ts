import { expect, setDefaultTimeout, test } from "bun:test";
import { ask, caller, must, NetworkLab, OtherHost, port, run, serve } from "../../test/fixtures/network-lab.ts";
import { errorKind, errorMessage } from "../base/errors.ts";
import type { Attachment } from "./network.ts";

setDefaultTimeout(30_000); // milliseconds; programs start slowly on a loaded machine

const attach = (network: string, wish: Partial<Attachment> = {}): Attachment => ({
  network,
  aliases: [],
  driverOptions: {},
  ...wish,
});
const on = (...networks: string[]) => ({
  mode: "networks" as const,
  attachments: networks.map((network) => attach(network)),
});
const refused = (work: Promise<unknown>) =>
  work.then(
    () => ["no error"],
    (error: unknown) => [errorKind(error), errorMessage(error)],
  );

test("none has a loopback and nothing else; host and container share", async () => {
  await using lab = await NetworkLab.start();
  const [none, host, web] = [
    await lab.open("none", { mode: "none" }),
    await lab.open("host", { mode: "host" }),
    await lab.open("web"),
  ];
  expect((await must("nsenter", `--net=${none.netnsPath}`, "ip", "-br", "link")).trim().split("\n").length).toBe(1);
  expect((await run("nsenter", `--net=${none.netnsPath}`, "busybox", "ping", "-c1", "-W1", "127.0.0.1")).status).toBe(
    0,
  );
  expect([host.netnsPath, host.ports]).toEqual(["", []]);
  expect(none.endpoints.map(({ networkName, ipv4 }) => [networkName, ipv4])).toEqual([["none", ""]]);
  const sidecar = await lab.open("sidecar", { mode: "container", sharedWith: web.plan.containerId });
  expect([sidecar.netnsPath, sidecar.endpoints]).toEqual([web.netnsPath, []]);
  await lab.close(sidecar.plan);
  expect((await run("nsenter", `--net=${web.netnsPath}`, "true")).status).toBe(0);
  expect(await refused(lab.open("lost", { mode: "container", sharedWith: "f".repeat(64) }))).toEqual([
    "conflict",
    `cannot join network of a non running container: ${"f".repeat(64)}`,
  ]);
  expect(lab.events.map(({ action, attributes }) => `${action} ${attributes["name"]} ${attributes["type"]}`)).toEqual([
    "connect none null",
    "connect host host",
    "connect bridge bridge",
  ]);
});

test("sysctls of the network go into the container's namespace only; a wrong one is named and leaves nothing", async () => {
  await using lab = await NetworkLab.start();
  const before = await Bun.file("/proc/sys/net/ipv4/ip_default_ttl").text();
  const box = await lab.open("box", {
    sysctls: { "net.ipv4.ip_default_ttl": "77", "net.ipv4.conf.eth0.rp_filter": "2" },
  });
  expect(
    await must(
      "nsenter",
      `--net=${box.netnsPath}`,
      "cat",
      "/proc/sys/net/ipv4/ip_default_ttl",
      "/proc/sys/net/ipv4/conf/eth0/rp_filter",
    ),
  ).toBe("77\n2\n");
  expect(await Bun.file("/proc/sys/net/ipv4/ip_default_ttl").text()).toBe(before);
  const [kind, text] = await refused(lab.open("bad", { sysctls: { "net.ipv4.nosuch": "1" } }));
  expect(kind).toBe("invalid");
  expect(text).toContain("net.ipv4.nosuch");
  expect(await refused(lab.open("worse", { sysctls: { "net/../kernel/hostname": "x" } }))).toEqual([
    "invalid",
    "sysctl net/../kernel/hostname is not in a separate network namespace",
  ]);
  expect(lab.networks.endpoints(lab.networks.get("bridge").id).size).toBe(1);
});

test("a running container joins and leaves networks; its ports stay with it", async () => {
  await using lab = await NetworkLab.start();
  await using other = await OtherHost.start();
  await lab.create("alpha");
  await lab.create("beta");
  const web = await lab.open("web", { ...on("beta"), ports: [port(80)] });
  const [inAlpha, inBeta] = [await lab.open("inAlpha", on("alpha")), await lab.open("inBeta", on("beta"))];
  const at = web.ports[0]?.hostPort ?? 0;
  await using _server = await serve(web.netnsPath, "web", 80);
  const two = await lab.networks.connect(web, web.plan, attach("alpha", { aliases: ["www"] }), { caller });
  expect(two.endpoints.map(({ networkName, interfaceName }) => `${networkName} ${interfaceName}`)).toEqual([
    "beta eth0",
    "alpha eth1",
  ]);
  const [betaIp, alphaIp] = two.endpoints.map(({ ipv4 }) => ipv4);
  expect(await ask(inAlpha.netnsPath, alphaIp ?? "", 80)).toStartWith("web ");
  expect(await ask(inBeta.netnsPath, betaIp ?? "", 80)).toStartWith("web ");
  expect(await ask(other.netns, other.host, at)).toBe(`web ::ffff:${other.own}`); // by alpha now: first by name
  expect(await must("nsenter", `--net=${web.netnsPath}`, "ip", "route", "show", "default")).toContain("dev eth1");
  expect(await refused(lab.networks.connect(two, web.plan, attach("alpha"), { caller }))).toEqual([
    "forbidden",
    "endpoint with name web already exists in network alpha",
  ]);
  const one = await lab.networks.disconnect(two, web.plan, "alpha", { caller });
  expect(one.endpoints.map(({ networkName }) => networkName)).toEqual(["beta"]);
  expect(await ask(other.netns, other.host, at)).toBe(`web ::ffff:${other.own}`);
  expect(await ask("", "::1", at)).toStartWith("web ");
  expect(await ask(inAlpha.netnsPath, alphaIp ?? "", 80)).toStartWith("no answer");
  const none = await lab.networks.disconnect(one, web.plan, "beta", { caller });
  expect([none.endpoints, none.ports]).toEqual([[], []]);
  expect(await ask("", "127.0.0.1", at)).toStartWith("no answer");
  expect(await refused(lab.networks.disconnect(none, web.plan, "beta", { caller }))).toEqual([
    "internal",
    `container ${web.plan.containerId} is not connected to network beta`,
  ]);
  const again = await lab.networks.connect(none, web.plan, attach("alpha"), { caller });
  expect(again.endpoints[0]?.interfaceName).toBe("eth0");
  expect(await ask("", "127.0.0.1", again.ports[0]?.hostPort ?? 0)).toStartWith("web ");
  expect(
    lab.events
      .filter(({ attributes }) => attributes["container"] === web.plan.containerId)
      .map(({ action, attributes }) => `${action} ${attributes["name"]}`),
  ).toEqual(["connect beta", "connect alpha", "disconnect alpha", "disconnect beta", "connect alpha"]);
}, 30_000);

test("what cannot be joined is refused in Docker's words", async () => {
  await using lab = await NetworkLab.start();
  await lab.create("red");
  const [none, host, web] = [
    await lab.open("none", { mode: "none" }),
    await lab.open("host", { mode: "host" }),
    await lab.open("web"),
  ];
  const join = (box: typeof none, network: string) =>
    refused(lab.networks.connect(box, box.plan, attach(network), { caller }));
  const hostText = "container cannot be disconnected from host network or connected to host network";
  const noneText = "container cannot be connected to multiple networks with one of the networks in private (none) mode";
  expect(await join(none, "red")).toEqual(["invalid", noneText]);
  expect(await join(host, "red")).toEqual(["invalid", hostText]);
  expect(await join(web, "host")).toEqual(["invalid", hostText]);
  expect(await join(web, "none")).toEqual(["invalid", noneText]);
  expect(await join(web, "nosuch")).toEqual(["not-found", "network nosuch not found"]);
});

test("a connect that fails half-way leaves the container as it was", async () => {
  await using lab = await NetworkLab.start();
  await lab.create("alpha");
  const web = await lab.open("web", { ...on("bridge"), ports: [port(80)] });
  await using _server = await serve(web.netnsPath, "web", 80);
  // The interface name that it would get is taken inside.
  await must("nsenter", `--net=${web.netnsPath}`, "ip", "link", "add", "eth1", "type", "bridge");
  const [kind] = await refused(lab.networks.connect(web, web.plan, attach("alpha"), { caller }));
  expect(kind).toBe("internal");
  expect(lab.networks.endpoints(lab.networks.get("alpha").id).size).toBe(0);
  expect(await ask("", "127.0.0.1", web.ports[0]?.hostPort ?? 0)).toStartWith("web ");
  await must("nsenter", `--net=${web.netnsPath}`, "ip", "link", "del", "eth1");
  expect((await lab.networks.connect(web, web.plan, attach("alpha"), { caller })).endpoints.length).toBe(2);
});
