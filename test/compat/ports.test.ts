import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { client, clientNames } from "../harness/clients.ts";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run, until } from "../harness/run.ts";
import { udpEcho } from "../harness/udp-echo.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

const httpd = ["busybox", "sh", "-c", "mkdir /w; echo page > /w/index.html; exec httpd -f -p 80 -h /w"];
const page = async (address: string): Promise<string> => (await run(["curl", "-s", "-m", "3", "-g", address])).stdout;

describe.each(clientNames)("%s", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);

  test("a published port answers from localhost, by the host's address, and from another container", async () => {
    const c = `${name}-web`;
    await cli(["run", "-d", "--name", c, "-p", "80", ...httpd]);
    const port = (await cli(["port", c, "80/tcp"])).stdout.split("\n")[0]?.split(":").at(-1);
    await until("localhost", async () => (await page(`http://127.0.0.1:${port}/`)) === "page\n");
    expect(await page(`http://[::1]:${port}/`)).toBe("page\n");
    const gateway = await daemon.ok("inspect", "-f", "{{.NetworkSettings.Gateway}}", c);
    expect(await page(`http://${gateway}:${port}/`)).toBe("page\n");
    const ip = await daemon.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", c);
    expect((await cli(["run", "--rm", "busybox", "wget", "-qO-", `http://${ip}/`])).stdout).toBe("page\n");
    expect((await cli(["run", "--rm", "busybox", "wget", "-qO-", `http://${gateway}:${port}/`])).stdout).toBe("page\n");
    expect((await cli(["ps", "--format", "{{.Ports}}", "-f", `name=${c}`])).stdout).toContain(`:${port}->80/tcp`);
    await cli(["rm", "-f", c]);
    expect(await page(`http://127.0.0.1:${port}/`)).toBe("");
  });

  test("a port on one host address is reached there only", async () => {
    const c = `${name}-one`;
    await cli(["run", "-d", "--name", c, "-p", "127.0.0.1::80", ...httpd]);
    const [address, port] = ((await cli(["port", c, "80"])).stdout.trim() || ":").split(":");
    expect(address).toBe("127.0.0.1");
    await until("localhost", async () => (await page(`http://127.0.0.1:${port}/`)) === "page\n");
    const gateway = await daemon.ok("inspect", "-f", "{{.NetworkSettings.Gateway}}", c);
    expect(await page(`http://${gateway}:${port}/`)).toBe("");
    await cli(["rm", "-f", c]);
  });

  test("a port in use is refused and the message names its holder", async () => {
    const c = `${name}-first`;
    await cli(["run", "-d", "--name", c, "-p", "28123:80", ...httpd]);
    const second = await cli(["run", "--rm", "-p", "28123:80", "busybox", "true"]);
    expect(second.status).toBe(125);
    expect(second.stderr).toContain("Bind for 0.0.0.0:28123 failed: port is already allocated");
    expect(second.stderr).toContain(c);
    await cli(["rm", "-f", c]);
    using server = Bun.listen({ hostname: "0.0.0.0", port: 0, socket: { data: () => undefined } });
    const taken = await cli(["run", "--rm", "-p", `${server.port}:80`, "busybox", "true"]);
    expect(taken.status).toBe(125);
    expect(taken.stderr).toContain("already");
    server.stop(true);
  });

  test("a range of ports and UDP are published", async () => {
    const c = `${name}-range`;
    await cli(["run", "-d", "--name", c, "-p", "28200-28201:80-81", "-p", "28202:53/udp", ...httpd]);
    const pid = await daemon.ok("inspect", "-f", "{{.State.Pid}}", c);
    // busybox has no UDP server: ours runs in the container's network
    await using _echo = await udpEcho(pid, 53);
    await until("tcp", async () => (await page("http://127.0.0.1:28200/")) === "page\n");
    expect((await cli(["port", c])).stdout).toContain("81/tcp -> 0.0.0.0:28201");
    let echoed = "";
    const socket = await Bun.udpSocket({ socket: { data: (_socket, data) => void (echoed = data.toString()) } });
    await until("udp", async () => {
      socket.send("hello", 28202, "127.0.0.1");
      await Bun.sleep(20);
      return echoed === "hello";
    });
    socket.close();
    await cli(["rm", "-f", c]);
  });
});

test("ports work again within seconds after the ruleset was flushed, and after a daemon restart", async () => {
  await daemon.ok("run", "-d", "--name", "steady", "-p", "28300:80", ...httpd);
  await until("it answers", async () => (await page("http://127.0.0.1:28300/")) === "page\n");
  const tables = (await run(["nft", "list", "tables"])).stdout.split("\n").filter((line) => line.includes("berth"));
  expect(tables.length).toBeGreaterThan(0);
  for (const table of tables) await run(["nft", "delete", ...table.split(" ")]);
  await until("the rules are back", async () => (await page("http://127.0.0.1:28300/")) === "page\n");
  await daemon.kill();
  expect(await page("http://127.0.0.1:28300/")).toBe("page\n");
  await daemon.start();
  expect(await page("http://127.0.0.1:28300/")).toBe("page\n");
  await daemon.ok("rm", "-f", "steady");
}, 60_000);
