import { expect, setDefaultTimeout, test } from "bun:test";
import { ask, must, NetworkLab, OtherHost, port, run, serve, until } from "../../test/fixtures/network-lab.ts";
import { EngineError } from "../base/errors.ts";

setDefaultTimeout(30_000); // milliseconds; programs start slowly on a loaded machine

const refusal = async (work: Promise<unknown>): Promise<EngineError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof EngineError)) throw new Error(`expected an EngineError, got ${String(error)}`);
  return error;
};

test("two containers, the host and the gateway reach each other on the default bridge", async () => {
  await using lab = await NetworkLab.start();
  const [one, two] = [await lab.open("one"), await lab.open("two")];
  const [first, second] = [one.endpoints[0], two.endpoints[0]];
  if (first === undefined || second === undefined) throw new Error("no endpoint");
  expect(first.mac).toBe(
    `02:42:${first.ipv4
      .split(".")
      .map((part) => Number(part).toString(16).padStart(2, "0"))
      .join(":")}`,
  );
  await using _server = await serve(one.netnsPath, "one", 80);
  await using _host = await serve("", "host", 18_471, first.ipv4Gateway);
  expect(await ask(two.netnsPath, first.ipv4, 80)).toBe(`one ::ffff:${second.ipv4}`);
  expect(await ask(two.netnsPath, first.ipv4, 80, "udp")).toStartWith("one ");
  expect(await ask("", first.ipv4, 80)).toBe(`one ::ffff:${first.ipv4Gateway}`);
  expect(await ask(two.netnsPath, first.ipv4Gateway, 18_471)).toBe(`host ${second.ipv4}`);
  expect((await run("nsenter", `--net=${two.netnsPath}`, "busybox", "ping", "-c1", "-W2", first.ipv4)).status).toBe(0);
});

test("a published port answers from localhost, the host's addresses, another host, another container and itself", async () => {
  await using lab = await NetworkLab.start();
  await using other = await OtherHost.start();
  const web = await lab.open("web", { ports: [port(80), port(80, { protocol: "udp" })] });
  const client = await lab.open("client");
  const at = web.ports.find(({ protocol }) => protocol === "tcp")?.hostPort ?? 0;
  const udpAt = web.ports.find(({ protocol }) => protocol === "udp")?.hostPort ?? 0;
  expect(web.ports.filter(({ protocol }) => protocol === "tcp")).toEqual([
    { containerPort: 80, protocol: "tcp", hostIp: "0.0.0.0", hostPort: at },
    { containerPort: 80, protocol: "tcp", hostIp: "::", hostPort: at },
  ]);
  await using _server = await serve(web.netnsPath, "web", 80);
  expect(await ask("", "127.0.0.1", at)).toStartWith("web ");
  expect(await ask("", "::1", at)).toStartWith("web ");
  expect(await ask("", other.host, at)).toStartWith("web ");
  expect(await ask(other.netns, other.host, at)).toBe(`web ::ffff:${other.own}`); // the client's own address is seen
  expect(await ask(other.netns, other.host6, at)).toStartWith("web ");
  expect(await ask(client.netnsPath, other.host, at)).toStartWith("web ");
  expect(await ask(web.netnsPath, other.host, at)).toStartWith("web ");
  expect(await ask("", "127.0.0.1", udpAt, "udp")).toStartWith("web ");
  expect(await ask(other.netns, other.host, udpAt, "udp")).toBe(`web ::ffff:${other.own}`);
  await lab.close(web.plan);
  expect(await ask("", "127.0.0.1", at)).toStartWith("no answer");
  expect(await ask(other.netns, other.host, at)).toStartWith("no answer");
}, 30_000);

test("what is not published cannot be reached from another host, nor a port of 127.0.0.1", async () => {
  await using lab = await NetworkLab.start();
  await using other = await OtherHost.start();
  const web = await lab.open("web", { ports: [port(80, { hostIp: "127.0.0.1" })] });
  const thief = await lab.open("thief");
  const at = web.ports[0]?.hostPort ?? 0;
  await using _server = await serve(web.netnsPath, "web", 80);
  await using _local = await serve("", "local", 18_472, "127.0.0.1");
  expect(await ask("", "127.0.0.1", at)).toStartWith("web ");
  expect(await ask(other.netns, web.endpoints[0]?.ipv4 ?? "", 80)).toStartWith("no answer");
  expect(await ask(other.netns, other.host, at)).toStartWith("no answer");
  // A container that routes 127.0.0.1 to the bridge does not get at the host's loopback, though route_localnet is on.
  const gateway = thief.endpoints[0]?.ipv4Gateway ?? "";
  const inside = ["nsenter", `--net=${thief.netnsPath}`];
  await run(...inside, "ip", "addr", "del", "127.0.0.1/8", "dev", "lo");
  await run(...inside, "sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1");
  await run(...inside, "ip", "route", "add", "127.0.0.1/32", "via", gateway, "src", thief.endpoints[0]?.ipv4 ?? "");
  expect(await ask(thief.netnsPath, "127.0.0.1", 18_472)).toStartWith("no answer");
}, 30_000);

test("a port of a specific address and the same port of another go to different containers", async () => {
  await using lab = await NetworkLab.start();
  await using other = await OtherHost.start();
  const one = await lab.open("one", { ports: [port(80, { hostIp: other.host, hostPort: 18_473 })] });
  const two = await lab.open("two", { ports: [port(81, { hostIp: "127.0.0.1", hostPort: 18_473 })] });
  await using _one = await serve(one.netnsPath, "one", 80);
  await using _two = await serve(two.netnsPath, "two", 81);
  expect(await ask(other.netns, other.host, 18_473)).toStartWith("one ");
  expect(await ask("", "127.0.0.1", 18_473)).toStartWith("two ");
  const error = await refusal(lab.open("three", { ports: [port(80, { hostPort: 18_473 })] }));
  expect(error.message).toMatch(
    /Bind for 0\.0\.0\.0:18473 failed: port is already allocated \(by container "(one|two)"\)$/,
  );
});

test("a port that another container has is refused in Docker's words, naming the container", async () => {
  await using lab = await NetworkLab.start();
  const one = await lab.open("one", { ports: [port(80)] });
  const at = one.ports[0]?.hostPort ?? 0;
  const error = await refusal(lab.open("two", { ports: [port(80, { hostPort: at })] }));
  expect(error.kind).toBe("internal");
  expect(error.message).toMatch(
    new RegExp(
      `^driver failed programming external connectivity on endpoint two \\([0-9a-f]{64}\\): Bind for 0\\.0\\.0\\.0:${at} failed: port is already allocated \\(by container "one"\\)$`,
    ),
  );
  await lab.close(one.plan);
  const three = await lab.open("three", { ports: [port(80, { hostPort: at })] });
  expect(three.ports[0]?.hostPort).toBe(at);
});

test("a port that a program of the host listens on is refused, naming the program, and leaves nothing", async () => {
  await using lab = await NetworkLab.start();
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  try {
    const plan = lab.plan("web", { ports: [port(80, { hostPort: server.port })] });
    const error = await refusal(lab.networks.open(plan, { caller: { via: "engine" } }));
    expect(error.message).toContain(`:${server.port} failed: port is already allocated (by process ${process.pid}, `);
    const range = await lab.open("range", { ports: [port(80, { hostPort: [server.port, server.port + 1] })] });
    expect(range.ports[0]?.hostPort).toBe(server.port + 1);
    expect(lab.networks.endpoints(lab.networks.get("bridge").id).size).toBe(1);
  } finally {
    server.stop(true);
  }
});

test("while a port is published no program of the host can listen on it; afterwards it can", async () => {
  await using lab = await NetworkLab.start();
  const web = await lab.open("web", { ports: [port(80)] });
  const at = web.ports[0]?.hostPort ?? 0;
  const listen = (hostname: string) => Bun.listen({ hostname, port: at, socket: { data() {} } });
  expect(() => listen("0.0.0.0")).toThrow();
  expect(() => listen("127.0.0.1")).toThrow();
  await lab.close(web.plan);
  listen("0.0.0.0").stop(true);
});

test("the rules are back within a second after another program flushed the ruleset or took our table", async () => {
  await using lab = await NetworkLab.start();
  const web = await lab.open("web", { ports: [port(80)] });
  const at = web.ports[0]?.hostPort ?? 0;
  await using _server = await serve(web.netnsPath, "web", 80);
  for (const harm of [
    ["delete", "table", "inet", lab.engine],
    ["flush", "chain", "inet", lab.engine, "publish4"],
    ["flush", "map", "inet", lab.engine, "any4"],
  ]) {
    expect(await ask("", "127.0.0.1", at)).toStartWith("web ");
    const before = lab.log.length;
    expect((await run("nft", ...harm)).status).toBe(0);
    const started = performance.now();
    while (lab.log.length === before && performance.now() - started < 3000) await Bun.sleep(10);
    expect(performance.now() - started).toBeLessThan(1000);
    expect(await ask("", "127.0.0.1", at)).toStartWith("web ");
  }
  if (await lab.forgetDockerUser()) {
    await until(
      "the rules beside dockerd's are back",
      async () => (await lab.left()).filter((line) => line.startsWith("-A DOCKER-USER")).length === 1,
      1500,
    );
  }
  // A table that is gone at this very moment does not fail a container's start.
  await run("nft", "delete", "table", "inet", lab.engine);
  const next = await lab.open("next", { ports: [port(80)] });
  await using _next = await serve(next.netnsPath, "next", 80);
  expect(await ask("", "127.0.0.1", next.ports[0]?.hostPort ?? 0)).toStartWith("next ");
}, 30_000);

test("a UDP client that never stops sending reaches the container that took its port over", async () => {
  await using lab = await NetworkLab.start();
  await using other = await OtherHost.start();
  const udp = { ports: [port(53, { protocol: "udp", hostPort: 18_474 })] };
  const ready = Bun.listen({
    hostname: other.host,
    port: 0,
    socket: {
      data(_socket, bytes) {
        answers.push(bytes.toString());
      },
    },
  });
  const answers: string[] = [];
  // One socket for all datagrams: to the kernel it is one flow.
  const client = Bun.spawn([
    "nsenter",
    `--net=${other.netns}`,
    process.execPath,
    "-e",
    `
    const log = await Bun.connect({ hostname: "${other.host}", port: ${ready.port}, socket: { data() {} } });
    const socket = await Bun.udpSocket({ socket: { error() {}, data(_s, bytes) { log.write(bytes.toString() + ";"); } } });
    setInterval(() => socket.send("?", 18474, "${other.host}"), 20);
  `,
  ]);
  try {
    const one = await lab.open("one", udp);
    await using _one = await serve(one.netnsPath, "one", 53);
    await until("the first container answers", () => answers.join("").includes("one "));
    await lab.close(one.plan);
    const two = await lab.open("two", udp);
    await using _two = await serve(two.netnsPath, "two", 53);
    await until("the second container answers", () => answers.join("").includes("two "));
  } finally {
    client.kill("SIGKILL");
    await client.exited;
    ready.stop(true);
  }
});

test("SCTP ports, ranges and several host addresses are in the rules; a taken one names its holder", async () => {
  await using lab = await NetworkLab.start();
  const addresses = ["127.0.0.1", "127.0.0.2"];
  const many = addresses.map((hostIp) => port(80, { hostIp, hostPort: 18_477 }));
  const sctp = port(9000, { protocol: "sctp", hostPort: [18_478, 18_479] });
  const web = await lab.open("web", { ports: [...many, sctp] });
  const inside = web.endpoints[0]?.ipv4 ?? "";
  const rules = await must("nft", "list", "table", "inet", lab.engine);
  for (const hostIp of addresses) expect(rules).toContain(`${hostIp} . tcp . 18477 : ${inside} . 80`);
  expect(rules).toContain(`sctp . 18478 : ${inside} . 9000`);
  await using _served = await serve(web.netnsPath, "web", 80);
  expect(await Promise.all(addresses.map((hostIp) => ask("", hostIp, 18_477)))).toEqual([
    expect.stringMatching(/^web /),
    expect.stringMatching(/^web /),
  ]);
  const second = await lab.open("second", { ports: [sctp] });
  expect(second.ports.map(({ hostPort }) => hostPort)).toEqual([18_479, 18_479]);
  const third = await lab.networks.open(lab.plan("third", { ports: [sctp] }), { caller: { via: "engine" } }).then(
    () => "no failure",
    (error: unknown) => String(error),
  );
  expect(third).toContain('port is already allocated (by container "web")');
});
