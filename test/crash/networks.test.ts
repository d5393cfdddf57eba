import { existsSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run, until } from "../harness/run.ts";

setDefaultTimeout(60_000);

let daemon: TestDaemon;
let armed: string;
beforeAll(async () => {
  daemon = await startDaemon();
  armed = `${daemon.folder}/fault`;
  await importBusybox(daemon);
  await daemon.stop();
  await daemon.start({ BERTH_FAULT_FILE: armed });
  await daemon.ok("network", "create", "front");
  await daemon.ok("run", "-d", "--name", "web", "--network", "front", "busybox", "sleep", "1000");
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** Kills the daemon at a point inside what is asked of it, and starts the next one. */
async function killedAt(point: string, ...words: string[]): Promise<void> {
  writeFileSync(armed, `${point}=kill`);
  expect((await daemon.docker(words)).status).not.toBe(0);
  await daemon.ended();
  expect(existsSync(armed)).toBe(false);
  await daemon.start({ BERTH_FAULT_FILE: armed });
}
const networksOf = async (name: string): Promise<string[]> =>
  Object.keys(
    JSON.parse(await daemon.ok("inspect", "-f", "{{json .NetworkSettings.Networks}}", name)) as object,
  ).sort();
const linksOf = async (name: string): Promise<string[]> =>
  (await daemon.ok("exec", name, "ls", "/sys/class/net")).split("\n").filter((link) => link.startsWith("eth"));

for (const point of ["network.change.after-row", "network.change.after-kernel"]) {
  test(`kill -9 at ${point} of a connect: it is connected wholly, by name too, and can be disconnected`, async () => {
    await daemon.ok("network", "create", "back");
    await daemon.ok("run", "-d", "--name", "db", "--network", "back", "busybox", "sleep", "1000");
    await killedAt(point, "network", "connect", "--alias", "cut", "back", "web");
    await until("the connect is finished", async () => {
      const [links, endpoint] = [
        await linksOf("web"),
        await daemon.ok("inspect", "-f", "{{.NetworkSettings.Networks.back.IPAddress}}", "web"),
      ];
      return links.length === 2 && endpoint !== "";
    });
    expect(await networksOf("web")).toEqual(["back", "front"]);
    await daemon.ok("exec", "web", "ping", "-c1", "-W2", "db");
    await daemon.ok("exec", "db", "ping", "-c1", "-W2", "cut");
    await daemon.ok("network", "disconnect", "back", "web");
    expect(await linksOf("web")).toEqual(["eth0"]);
    await daemon.ok("rm", "-f", "db");
    await daemon.ok("network", "rm", "back");
  });

  test(`kill -9 at ${point} of a disconnect: the network is there or gone, never half`, async () => {
    await daemon.ok("network", "create", "side");
    await daemon.ok("network", "connect", "side", "web");
    await killedAt(point, "network", "disconnect", "side", "web");
    await until(
      "kernel and inspect agree",
      async () => (await linksOf("web")).length === (await networksOf("web")).length,
    );
    if ((await networksOf("web")).includes("side")) await daemon.ok("network", "disconnect", "side", "web");
    expect(await linksOf("web")).toEqual(["eth0"]);
    await daemon.ok("exec", "web", "ping", "-c1", "-W2", "web");
    await daemon.ok("network", "rm", "side");
  });
}

for (const point of ["network.create.after-row", "network.create.after-link"]) {
  test(`kill -9 at ${point} of a create leaves no network, no bridge, and the name and subnet free`, async () => {
    const options = ["--subnet", "10.217.0.0/24", "-o", "com.docker.network.bridge.name=brcut0", "half"];
    await killedAt(point, "network", "create", ...options);
    expect(await daemon.ok("network", "ls", "--format", "{{.Name}}")).not.toContain("half");
    expect(existsSync("/sys/class/net/brcut0")).toBe(false);
    await daemon.ok("network", "create", ...options);
    await daemon.ok("network", "rm", "half");
    expect(existsSync("/sys/class/net/brcut0")).toBe(false);
  });
}

test("names resolve while the daemon is dead, and when the resolver was killed too they are back with the daemon", async () => {
  const { stdout } = await run(["cat", `${daemon.execRoot}/dns/lock`]);
  const pid = await daemon.ok("inspect", "-f", "{{.State.Pid}}", "web");
  const lookup = async (): Promise<boolean> =>
    (await run(["nsenter", "-t", pid, "-n", "-m", "/bin/busybox", "ping", "-c1", "-W1", "web"])).status === 0;
  await daemon.kill();
  expect(await lookup()).toBe(true);
  process.kill(Number(stdout), "SIGKILL");
  expect(await lookup()).toBe(false);
  await daemon.start();
  await until("names are back", lookup);
});
