import { readFileSync } from "node:fs";
import { expect, setDefaultTimeout, test } from "bun:test";
import { failure, must, NetworkLab, run, until } from "../../../test/fixtures/network-lab.ts";
import type { Attachment, Sandbox } from "../network.ts";
import { resolverPaths } from "./protocol.ts";

setDefaultTimeout(30_000);

const script = new URL("../../../test/fixtures/dns-ask.ts", import.meta.url).pathname;
const on = (network: string, wish: Partial<Attachment> = {}) => ({
  mode: "networks" as const,
  attachments: [{ network, aliases: [], driverOptions: {}, ...wish }],
});
const ask = async (box: Sandbox, name: string, type = "A"): Promise<string> => {
  const text = await must("nsenter", `--net=${box.netnsPath}`, process.execPath, script, "ask", name, type);
  const { rcode, data } = JSON.parse(text) as { rcode: string; data: string[] };
  return `${rcode} ${data.join(",")}`.trim();
};
const pidOf = (lab: NetworkLab): number => Number(readFileSync(resolverPaths(lab.execRoot).lock, "utf8"));

test("containers of one network find each other by name, alias, id and hostname, and follow what changes", async () => {
  await using lab = await NetworkLab.start();
  await lab.create("front", { enableIpv6: true });
  await lab.create("back");
  const web = await lab.open("web", on("front", { aliases: ["www"] }));
  const app = await lab.open("app", { ...on("front", { links: ["web:linked"] }), hostname: "host-of-app" });
  const db = await lab.open("db", on("back"));
  const address = web.endpoints[0]?.ipv4 ?? "";
  expect(app.nameservers).toEqual(["127.0.0.11"]);
  for (const name of ["web", "www", "WEB.front", web.plan.containerId.slice(0, 12), "linked"])
    expect(await ask(app, name)).toBe(`NOERROR ${address}`);
  expect(await ask(web, "host-of-app")).toBe(`NOERROR ${app.endpoints[0]?.ipv4}`);
  expect(await ask(app, "web", "AAAA")).toBe(`NOERROR ${web.endpoints[0]?.ipv6}`);
  expect(await ask(app, "db.back")).not.toContain("NOERROR");

  lab.networks.rename(web.plan.containerId, "site");
  await until("the new name resolves", async () => (await ask(app, "site")) === `NOERROR ${address}`);
  expect(await ask(app, "www")).toBe(`NOERROR ${address}`);

  const more = { network: "back", aliases: ["cache"], driverOptions: {} };
  const plan = { ...app.plan, attachments: [...app.plan.attachments, more] };
  const both = await lab.networks.connect(app, plan, more, { caller: { via: "engine" } });
  expect(await ask(app, "db")).toBe(`NOERROR ${db.endpoints[0]?.ipv4}`);
  expect(await ask(db, "cache")).toBe(`NOERROR ${both.endpoints[1]?.ipv4}`);
  await lab.networks.disconnect(both, app.plan, lab.networks.get("back").id, { caller: { via: "engine" } });
  expect(await ask(db, "cache")).not.toContain("NOERROR");
  await lab.close(web.plan);
  expect(await ask(app, "www")).not.toContain("NOERROR");
});

test("names resolve while no daemon runs, after its next start, and again when the resolver was killed", async () => {
  await using lab = await NetworkLab.start();
  await lab.create("front");
  const web = await lab.open("web", on("front"));
  const app = await lab.open("app", on("front"));
  const found = `NOERROR ${web.endpoints[0]?.ipv4}`;
  const pid = pidOf(lab);
  await lab.networks.shutdown();
  expect(await ask(app, "web")).toBe(found);
  await lab.begin();
  await lab.networks.restore(
    new Map([
      [web.plan.containerId, web],
      [app.plan.containerId, app],
    ]),
  );
  expect(await ask(app, "web")).toBe(found);
  expect(pidOf(lab)).toBe(pid);

  process.kill(pid, "SIGKILL");
  await until("another resolver answers", async () => (await ask(app, "web")) === found);
  expect(pidOf(lab)).not.toBe(pid);

  // Both gone: the next start of the daemon brings the names back.
  await lab.networks.shutdown();
  process.kill(pidOf(lab), "SIGKILL");
  await lab.begin();
  await lab.networks.restore(new Map([[app.plan.containerId, app]]));
  await until("names are back, without those of who is gone", async () => {
    const [own, gone] = [await ask(app, "app"), await ask(app, "web")];
    return own === `NOERROR ${app.endpoints[0]?.ipv4}` && !gone.startsWith("NOERROR");
  });
});

test("no packet of an internal network leaves it: names, addresses, the host's other addresses", async () => {
  await using lab = await NetworkLab.start();
  const { id } = await lab.create("closed", { internal: true });
  const web = await lab.open("web", on("closed"));
  const app = await lab.open("app", on("closed"));
  const bridge = `br-${id.slice(0, 12)}`;
  const address = app.endpoints[0]?.ipv4 ?? "";
  // Every packet with the container's address that is anywhere but on the bridge and its ports.
  const capture = Bun.spawn(["tcpdump", "-l", "-n", "-i", "any", "-Q", "out", "src", address], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const reader = capture.stderr.getReader();
  await reader.read();
  const into = ["nsenter", `--net=${app.netnsPath}`];
  expect(await ask(app, "web")).toBe(`NOERROR ${web.endpoints[0]?.ipv4}`);
  expect(await ask(app, "example.com")).toBe("SERVFAIL");
  expect((await run(...into, "busybox", "ping", "-c1", "-W1", "8.8.8.8")).status).not.toBe(0);
  await must(...into, "ip", "route", "add", "default", "dev", "eth0");
  expect((await run(...into, "busybox", "ping", "-c1", "-W1", "8.8.8.8")).status).not.toBe(0);
  // the capture is known to see packets: this one stays on the bridge
  await must(...into, "busybox", "ping", "-c1", "-W1", web.endpoints[0]?.ipv4 ?? "");
  capture.kill("SIGINT");
  const seen = (await new Response(capture.stdout).text()).split("\n").filter((line) => line !== "");
  const links = seen.map((line) => line.split(/\s+/)[1] ?? "");
  expect(seen.length).toBeGreaterThan(0);
  expect(links.filter((link) => link !== bridge && !link.startsWith("veth"))).toEqual([]);
});

test("aliases and links that are no names of DNS are refused by name", async () => {
  await using lab = await NetworkLab.start();
  await lab.create("front");
  for (const bad of ["two words", "a..b", "", "x".repeat(64), "tab\there"])
    expect(await failure(lab.open("web", on("front", { aliases: [bad] })))).toBe(
      `invalid network alias ${JSON.stringify(bad)}: it is no name of DNS`,
    );
  expect(await failure(lab.open("web", on("front", { links: ["a:b:c"] })))).toBe("bad format for links: a:b:c");
  await lab.open("fine", on("front", { aliases: ["under_score", "ünïcode", "with.dots"] }));
});
