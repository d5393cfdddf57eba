import { expect, setDefaultTimeout, test } from "bun:test";
import { ask, caller, failure, must, NetworkLab, OtherHost, serve } from "../../../test/fixtures/network-lab.ts";

setDefaultTimeout(60_000);

const fixtures = new URL("../../../test/fixtures/", import.meta.url).pathname;
const on = (...networks: string[]) => ({
  mode: "networks" as const,
  attachments: networks.map((network) => ({ network, aliases: [], driverOptions: {} })),
});

/** Another machine with two further addresses, and a name server for them. */
async function farAway(other: OtherHost): Promise<AsyncDisposable> {
  for (const address of ["203.0.113.7", "203.0.113.8"]) {
    await must("ip", "-n", other.name, "addr", "add", `${address}/32`, "dev", "lo");
    await must("ip", "route", "add", `${address}/32`, "via", other.own);
  }
  const names = ["allowed.test=203.0.113.7", "a.wild.test=203.0.113.8", "wild.test=203.0.113.8"];
  const command = ["nsenter", `--net=${other.netns}`, process.execPath, `${fixtures}dns-serve.ts`, other.own, ...names];
  const server = Bun.spawn(command, { stdout: "pipe", stdin: "ignore" });
  await server.stdout.getReader().read();
  return {
    async [Symbol.asyncDispose]() {
      server.kill("SIGKILL");
      await server.exited;
    },
  };
}

test("egress: only allowed subnets and what allowed names stand for are reached, and the networks' own containers", async () => {
  await using lab = await NetworkLab.start();
  await using other = await OtherHost.start();
  await using _far = await farAway(other);
  await using _seven = await serve(other.netns, "far", 80, "0.0.0.0");
  await using _host = await serve("", "host", 7081, "0.0.0.0");
  await lab.create("front");
  await lab.create("back");
  const web = await lab.open("web", on("front"));
  await using _web = await serve(web.netnsPath, "web", 80);
  const nameservers = [other.own];
  const ports = [{ containerPort: 81, protocol: "tcp" as const, hostIp: "", hostPort: 0 }];
  const named = await lab.open("named", {
    ...on("front"),
    nameservers,
    ports,
    egress: ["allowed.test", "*.wild.test"],
  });
  const subnet = await lab.open("subnet", { ...on("front"), nameservers, egress: ["203.0.113.8/32"] });
  const resolve = (netns: string, name: string): Promise<string> =>
    must("nsenter", `--net=${netns}`, process.execPath, `${fixtures}dns-ask.ts`, "ask", name);
  const reach = async (netns: string, address: string, port = 80): Promise<boolean> =>
    !(await ask(netns, address, port)).startsWith("no answer");

  const gateway = web.endpoints[0]?.ipv4Gateway ?? "";
  expect(
    await Promise.all([
      reach(named.netnsPath, "203.0.113.7"),
      reach(subnet.netnsPath, "203.0.113.7"),
      reach(subnet.netnsPath, "203.0.113.8"),
      reach(subnet.netnsPath, web.endpoints[0]?.ipv4 ?? ""),
      reach(subnet.netnsPath, gateway, 7081),
      reach(web.netnsPath, gateway, 7081),
    ]),
  ).toEqual([false, false, true, true, false, true]);
  expect(await resolve(named.netnsPath, "allowed.test")).toContain("203.0.113.7");
  expect(await reach(named.netnsPath, "203.0.113.7")).toBe(true);
  // *.name is what is below it, not the name itself
  await resolve(named.netnsPath, "wild.test");
  expect(await reach(named.netnsPath, "203.0.113.8")).toBe(false);
  await resolve(named.netnsPath, "a.wild.test");
  expect(await reach(named.netnsPath, "203.0.113.8")).toBe(true);
  // who calls a published port gets its answer
  await using _named = await serve(named.netnsPath, "named", 81);
  expect(await ask(other.netns, other.host, named.ports[0]?.hostPort ?? 0)).toContain("named");

  // Another network: its containers are reached, and what was allowed still is.
  const db = await lab.open("db", on("back"));
  await using _db = await serve(db.netnsPath, "db", 80);
  expect(await reach(named.netnsPath, db.endpoints[0]?.ipv4 ?? "")).toBe(false);
  const wish = on("back").attachments[0] ?? { network: "", aliases: [], driverOptions: {} };
  await lab.networks.connect(named, { ...named.plan, attachments: [...named.plan.attachments, wish] }, wish, {
    caller,
  });
  expect(await reach(named.netnsPath, db.endpoints[0]?.ipv4 ?? "")).toBe(true);
  await resolve(named.netnsPath, "allowed.test");
  expect(await reach(named.netnsPath, "203.0.113.7")).toBe(true);
});

test("rates: each direction is as fast as it may be, on every network of the container", async () => {
  await using lab = await NetworkLab.start();
  await lab.create("front");
  const slow = await lab.open("slow", { ...on("front"), rate: { inBps: 8e6, outBps: 16e6 } });
  const free = await lab.open("free", on("front"));
  const shown = await must("nsenter", `--net=${slow.netnsPath}`, "tc", "qdisc", "show", "dev", "eth0");
  expect(shown).toContain("tbf");
  expect(shown).toContain("rate 16Mbit");
  const host = await must("tc", "qdisc", "show");
  expect(host).toContain("rate 8Mbit");
  /** Megabits a second of one transfer by TCP. */
  const measure = async (from: string, to: string, address: string): Promise<number> => {
    const sink = Bun.spawn(["nsenter", `--net=${to}`, process.execPath, `${fixtures}net-rate.ts`, "sink", address], {
      stdout: "pipe",
    });
    const reader = sink.stdout.getReader();
    await reader.read();
    const source = Bun.spawn([
      "nsenter",
      `--net=${from}`,
      process.execPath,
      `${fixtures}net-rate.ts`,
      "source",
      address,
    ]);
    const { value } = await reader.read();
    source.kill();
    sink.kill();
    await Promise.all([source.exited, sink.exited]);
    return Number(Buffer.from(value ?? []).toString());
  };
  const [a, b] = [slow.endpoints[0]?.ipv4 ?? "", free.endpoints[0]?.ipv4 ?? ""];
  const into = await measure(free.netnsPath, slow.netnsPath, a);
  const outOf = await measure(slow.netnsPath, free.netnsPath, b);
  expect(into).toBeGreaterThan(4);
  expect(into).toBeLessThan(12);
  expect(outOf).toBeGreaterThan(8);
  expect(outOf).toBeLessThan(24);
});

test("limits that a network cannot keep are refused by name", async () => {
  await using lab = await NetworkLab.start();
  await lab.create("wire", { driver: "macvlan" });
  expect(await failure(lab.open("a", { ...on("wire"), rate: { inBps: 1e6, outBps: 0 } }))).toContain(
    "--net-rate in= is not for network wire",
  );
  expect(await failure(lab.open("b", { egress: ["example.com"] }))).toContain(
    "needs a network of your own, not bridge",
  );
  const out = await lab.open("c", { ...on("wire"), rate: { inBps: 0, outBps: 1e6 } });
  expect(await must("nsenter", `--net=${out.netnsPath}`, "tc", "qdisc", "show", "dev", "eth0")).toContain("rate 1Mbit");
});
