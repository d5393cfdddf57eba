import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { eraseNetworks } from "./erase.ts";
import { ask, caller, failure, must, NetworkLab, port, run, serve, until } from "../../test/fixtures/network-lab.ts";

setDefaultTimeout(30_000); // milliseconds; programs start slowly on a loaded machine

const points = [
  "network.open.after-row",
  "network.open.after-netns",
  "network.open.after-attach",
  "network.open.after-publish",
];
const crash = `${import.meta.dir}/../../test/fixtures/network-crash.ts`;

/** What the engine holds: rows, namespaces, elements of the port maps, ports of the bridge with a living other end. */
async function held(lab: NetworkLab): Promise<string[]> {
  const rows = lab.db.query<{ container_id: string }, []>("SELECT container_id FROM network_sandboxes").all();
  const table = await must("nft", "list", "table", "inet", lab.engine);
  return [
    ...rows.map((row) => `row ${row.container_id}`),
    ...readdirSync(`${lab.execRoot}/netns`).map((name) => `netns ${name}`),
    ...(table.match(/(tcp|udp) \. \d+ : \S+/g) ?? []),
    ...(await must("findmnt", "-rno", "TARGET"))
      .split("\n")
      .filter((path) => path.startsWith(lab.execRoot))
      .map((path) => `mount ${path}`),
  ];
}

for (const point of points) {
  test(`a daemon killed at ${point} leaves nothing after the next start`, async () => {
    await using lab = await NetworkLab.start();
    const containerId = "c".repeat(64);
    await lab.networks.shutdown();
    const child = Bun.spawn([process.execPath, crash, lab.execRoot, containerId], {
      env: { ...process.env, BERTH_FAULT: `${point}=kill` },
      stdout: "pipe",
      stderr: "pipe",
    });
    const printed = await new Response(child.stdout).text();
    await child.exited;
    expect([child.signalCode, printed]).toEqual(["SIGKILL", ""]);
    await lab.begin();
    expect(await held(lab)).toContain(`row ${containerId}`); // it did come that far
    await lab.networks.restore(new Map());
    expect(await held(lab)).toEqual([]);
    await until(
      "the bridge has no ports",
      async () => (await must("ip", "-br", "link", "show", "master", lab.engine)).trim() === "",
    );
    const next = await lab.open("next");
    await using _server = await serve(next.netnsPath, "next", 80);
    expect(await ask("", next.endpoints[0]?.ipv4 ?? "", 80)).toStartWith("next ");
  }, 20_000);

  test(`an open that fails at ${point} takes everything back and can be tried again`, async () => {
    await using lab = await NetworkLab.start();
    process.env["BERTH_FAULT"] = `${point}=fail`;
    const plan = lab.plan("web", { ports: [port(80, { hostPort: 18_480 })] });
    try {
      expect(await failure(lab.networks.open(plan, { caller }))).toContain(`fault injected at ${point}`);
    } finally {
      delete process.env["BERTH_FAULT"];
    }
    expect(await held(lab)).toEqual([]);
    const sandbox = await lab.networks.open(plan, { caller });
    expect(sandbox.ports[0]?.hostPort).toBe(18_480);
    expect(lab.events.filter(({ action }) => action === "connect").length).toBe(1);
  });
}

test("a restarted engine keeps running containers' networks without a gap and their addresses from others", async () => {
  await using lab = await NetworkLab.start();
  await lab.create("red");
  const red = { mode: "networks" as const, attachments: [{ network: "red", aliases: [], driverOptions: {} }] };
  const [web, inRed, gone] = [
    await lab.open("web", { ports: [port(80)] }),
    await lab.open("inRed", red),
    await lab.open("gone", { ports: [port(81)] }),
  ];
  const at = web.ports[0]?.hostPort ?? 0;
  await using _server = await serve(web.netnsPath, "web", 80);
  await lab.networks.shutdown(); // as for an upgrade: containers run, so nothing is taken away
  expect(await ask("", "127.0.0.1", at)).toStartWith("web ");
  await lab.begin();
  const live = new Map([
    [web.plan.containerId, web],
    [inRed.plan.containerId, inRed],
  ]);
  await lab.networks.restore(live);
  expect(await ask("", "127.0.0.1", at)).toStartWith("web ");
  expect(await ask("", "::1", at)).toStartWith("web ");
  expect(existsSync(gone.netnsPath)).toBe(false);
  expect(await ask("", "127.0.0.1", gone.ports[0]?.hostPort ?? 0)).toStartWith("no answer");
  const next = await lab.open("next");
  expect(next.endpoints[0]?.ipv4).not.toBe(web.endpoints[0]?.ipv4);
  expect((await lab.open("red2", red)).endpoints[0]?.ipv4).not.toBe(inRed.endpoints[0]?.ipv4);
  expect(await failure(lab.open("thief", { ports: [port(80, { hostPort: at })] }))).toContain('(by container "web")');
  expect(() => Bun.listen({ hostname: "0.0.0.0", port: at, socket: { data() {} } })).toThrow();
  await lab.close(web.plan);
  expect((await held(lab)).filter((text) => text.startsWith("tcp"))).toEqual([]);
}, 20_000);

test("rules and bridges that went while no engine ran are back after the start", async () => {
  await using lab = await NetworkLab.start();
  const web = await lab.open("web", { ports: [port(80)] });
  await using _server = await serve(web.netnsPath, "web", 80);
  await lab.networks.shutdown();
  await must("nft", "delete", "table", "inet", lab.engine);
  await lab.forgetDockerUser();
  await lab.begin();
  await lab.networks.restore(new Map([[web.plan.containerId, web]]));
  expect(await ask("", "127.0.0.1", web.ports[0]?.hostPort ?? 0)).toStartWith("web ");
});

test("a live container whose row is lost is taken from its own state", async () => {
  await using lab = await NetworkLab.start();
  const web = await lab.open("web", { ports: [port(80)] });
  await lab.networks.shutdown();
  lab.db.run("DELETE FROM network_sandboxes");
  await lab.begin();
  await lab.networks.restore(new Map([[web.plan.containerId, web]]));
  expect((await lab.open("next")).endpoints[0]?.ipv4).not.toBe(web.endpoints[0]?.ipv4);
  await using _server = await serve(web.netnsPath, "web", 80);
  expect(await ask("", "127.0.0.1", web.ports[0]?.hostPort ?? 0)).toStartWith("web ");
  await lab.close(web.plan);
  expect(existsSync(web.netnsPath)).toBe(false);
});

test("a network that was being made when the daemon died is undone", async () => {
  await using lab = await NetworkLab.start();
  process.env["BERTH_FAULT"] = "network.create.after-link=fail";
  try {
    expect(await failure(lab.create("half"))).toContain("fault injected");
  } finally {
    delete process.env["BERTH_FAULT"];
  }
  expect(lab.networks.list().length).toBe(3);
  const { id } = await lab.create("whole");
  lab.db.run("UPDATE networks SET body = json_set(body, '$.pending', json('true')) WHERE id = ?", [id]);
  await lab.networks.shutdown();
  await lab.begin();
  expect(lab.networks.list().length).toBe(3);
  expect((await run("ip", "link", "show", `br-${id.slice(0, 12)}`)).status).toBe(1);
});

test("an engine without containers takes its bridge, table and rules away when it is shut down", async () => {
  await using lab = await NetworkLab.start();
  const web = await lab.open("web", { ports: [port(80)] });
  await lab.close(web.plan);
  await lab.networks.shutdown();
  expect(await lab.left()).toEqual([]);
  await lab.begin();
});

test("two hundred opens and closes leave no descriptor, mount or row behind", async () => {
  await using lab = await NetworkLab.start();
  const round = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn += 1) {
      const opened = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          lab.open(`c${index}`, { ports: [port(80), port(53, { protocol: "udp" })] }),
        ),
      );
      expect(new Set(opened.map((sandbox) => sandbox.endpoints[0]?.ipv4)).size).toBe(10);
      await Promise.all(opened.map(({ plan }) => lab.close(plan)));
    }
  };
  await round();
  const before = readdirSync("/proc/self/fd").length;
  await round();
  await until("descriptors are back", () => readdirSync("/proc/self/fd").length <= before + 2);
  expect(await held(lab)).toEqual([]);
}, 30_000);

test("eraseNetworks() takes away everything of an engine that is gone", async () => {
  await using lab = await NetworkLab.start();
  const { id } = await lab.create("red");
  await lab.open("web", { ports: [port(80)] });
  await lab.networks.shutdown();
  expect((await lab.left()).length).toBeGreaterThan(2);
  eraseNetworks(lab.execRoot);
  expect(await lab.left()).toEqual([]);
  expect((await run("ip", "link", "show", `br-${id.slice(0, 12)}`)).status).toBe(1);
  await lab.begin();
  await lab.networks.restore(new Map());
});
