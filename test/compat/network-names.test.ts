import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import Docker from "dockerode";
import { eventsOf, importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";

setDefaultTimeout(60_000);

let daemon: TestDaemon;
let docker: Docker;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  docker = new Docker({ socketPath: daemon.socket });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const start = (name: string, ...words: string[]): Promise<string> =>
  daemon.ok("run", "-d", "--name", name, ...words, "busybox", "sleep", "1000");
/** Whether a name leads to the address that inspect shows of a container on a network. */
async function leadsTo(from: string, name: string, to: string, network: string): Promise<boolean> {
  const address = await daemon.ok("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, to);
  return (await daemon.docker(["exec", from, "ping", "-c1", "-W2", "-4", name])).stdout.includes(`(${address})`);
}

test("names as the stock client makes them: aliases, links, ids, hostnames; resolv.conf has what was asked for", async () => {
  await daemon.ok("network", "create", "n1");
  await start("web", "--network", "n1", "--network-alias", "www", "--hostname", "box");
  const words = ["--dns", "127.0.0.9", "--dns-option", "attempts:1", "--dns-search", "corp.example"];
  const app = await start("app", "--network", "n1", "--link", "web:linked", ...words);
  for (const name of ["web", "www", "linked", "box", "web.n1"])
    expect(await leadsTo("app", name, "web", "n1")).toBe(true);
  expect(await leadsTo("web", app.slice(0, 12), "app", "n1")).toBe(true);
  expect((await daemon.docker(["exec", "web", "ping", "-c1", "linked"])).status).not.toBe(0);
  expect(await daemon.ok("exec", "app", "cat", "/etc/resolv.conf")).toBe(
    "nameserver 127.0.0.11\nsearch corp.example\noptions attempts:1 ndots:0",
  );
  await daemon.ok("rename", "web", "site");
  await until("the new name resolves", () => leadsTo("app", "site", "site", "n1"));
  await daemon.ok("restart", "-t", "0", "site");
  expect(await leadsTo("app", "www", "site", "n1")).toBe(true);
  // The default bridge knows no names; its containers ask the host's servers.
  await start("plain");
  expect((await daemon.docker(["exec", "plain", "ping", "-c1", "-W1", "site"])).status).not.toBe(0);
  expect(await daemon.ok("exec", "plain", "cat", "/etc/resolv.conf")).not.toContain("127.0.0.11");
  // Connected while it runs, it does, and its files follow; one that shares its network sees the same.
  await daemon.ok("network", "connect", "--alias", "late", "n1", "plain");
  expect(await leadsTo("plain", "site", "site", "n1")).toBe(true);
  expect(await leadsTo("app", "late", "plain", "n1")).toBe(true);
  expect(await daemon.ok("exec", "plain", "cat", "/etc/resolv.conf")).toContain("nameserver 127.0.0.11");
  expect(
    await daemon.ok("run", "--rm", "--network", "container:plain", "busybox", "ping", "-c1", "-W2", "site"),
  ).toContain("1 packets received");
  await daemon.ok("rm", "-f", "site", "app", "plain");
  await daemon.ok("network", "rm", "n1");
});

test("dockerode: a network with all options, an endpoint with all wishes, on a stopped and a running container", async () => {
  const network = await docker.createNetwork({
    Name: "full",
    Driver: "bridge",
    Internal: false,
    Attachable: true,
    EnableIPv6: true,
    IPAM: {
      Driver: "default",
      Config: [
        {
          Subnet: "10.219.0.0/16",
          IPRange: "10.219.5.0/24",
          Gateway: "10.219.5.254",
          AuxiliaryAddresses: { router: "10.219.5.1" },
        },
        { Subnet: "fd55:219::/64" },
      ],
    },
    Options: { "com.docker.network.driver.mtu": "1400", "com.docker.network.bridge.enable_icc": "true" },
    Labels: { team: "net" },
  } as Docker.NetworkCreateOptions);
  const wish = {
    IPAMConfig: { IPv4Address: "10.219.77.7", IPv6Address: "fd55:219::77", LinkLocalIPs: ["169.254.9.9"] },
    Aliases: ["seven"],
    MacAddress: "02:00:00:00:77:07",
    GwPriority: 5,
    DriverOpts: { "com.docker.network.endpoint.ifname": "lan0" },
  };
  const container = await docker.createContainer({ name: "full", Image: "busybox", Cmd: ["sleep", "1000"] });
  await network.connect({ Container: container.id, EndpointConfig: wish } as Docker.NetworkConnectOptions);
  await container.start();
  const shown = await daemon.ok("exec", "full", "ip", "addr", "show", "lan0");
  for (const text of ["mtu 1400", "02:00:00:00:77:07", "10.219.77.7/16", "169.254.9.9/16", "fd55:219::77/64"])
    expect(shown).toContain(text);
  expect(await daemon.ok("exec", "full", "ip", "route")).toContain("default via 10.219.5.254 dev lan0");
  const found = (await container.inspect()).NetworkSettings.Networks["full"];
  expect(found).toMatchObject({
    IPAddress: "10.219.77.7",
    GlobalIPv6Address: "fd55:219::77",
    MacAddress: "02:00:00:00:77:07",
    Aliases: ["seven"],
  });
  const other = await docker.createContainer({
    name: "other",
    Image: "busybox",
    Cmd: ["sleep", "1000"],
    HostConfig: { NetworkMode: "full" },
  });
  await other.start();
  expect((await other.inspect()).NetworkSettings.Networks["full"]?.IPAddress).toBe("10.219.5.0"); // moby parity: the first of the range, which is not the subnet
  expect(await daemon.ok("exec", "other", "ping", "-c1", "-W2", "seven")).toContain("1 packets received");
  await network.disconnect({ Container: "full", Force: true });
  expect((await container.inspect()).NetworkSettings.Networks["full"]).toBeUndefined();
  const refused = async (config: object): Promise<string> =>
    network.connect({ Container: "full", EndpointConfig: config } as Docker.NetworkConnectOptions).then(
      () => "taken",
      (error: Error) => error.message,
    );
  expect(await refused({ IPAMConfig: { IPv4Address: "10.220.0.1" } })).toContain(
    "does not belong to any of this network's subnets",
  );
  expect(await refused({ IPAMConfig: { IPv4Address: "10.219.5.1" } })).toContain("Address already in use");
  expect(await refused({ Aliases: ["no name"] })).toContain("it is no name of DNS");
  expect(await refused({ DriverOpts: { nonsense: "1" } })).toContain("endpoint option nonsense is not known");
  await container.stop({ t: 0 });
  expect(await refused({ IPAMConfig: { IPv4Address: "10.220.0.1" } })).toContain(
    "does not belong to any of this network's subnets",
  );
  await Promise.all([container.remove({ force: true }), other.remove({ force: true })]);
  await network.remove();
  expect(await eventsOf(daemon, "type=network", "network=full")).toEqual([
    "create",
    "connect",
    "connect",
    "disconnect",
    "disconnect",
    "destroy",
  ]);
});

test("our own flags: --net-rate and --egress-allow, and who can reach what", async () => {
  await daemon.ok("network", "create", "n2");
  const made = await daemon.berth([
    "run",
    "-d",
    "--name",
    "kept",
    "--network",
    "n2",
    "--net-rate",
    "in=8mbit,out=4mbit",
    "--egress-allow",
    "192.0.2.0/24",
    "--egress-allow",
    "*.example.com",
    "-p",
    "127.0.0.1:18475:80",
    "busybox",
    "sleep",
    "1000",
  ]);
  expect(made.stderr).toBe("");
  const pid = await daemon.ok("inspect", "-f", "{{.State.Pid}}", "kept");
  const { stdout } = Bun.spawnSync([
    "nsenter",
    "-t",
    pid,
    "-n",
    "sh",
    "-c",
    "tc qdisc show dev eth0; nft list table inet berth_egress",
  ]);
  expect(stdout.toString()).toContain("rate 4Mbit");
  expect(stdout.toString()).toContain("ip daddr 192.0.2.0/24 accept");
  const exposure = (await daemon.berth(["port", "--exposure", "kept"])).stdout;
  expect(exposure).toMatch(/^CONTAINER +PORT +ADDRESS +REACHED BY\nkept +80\/tcp +127\.0\.0\.1:18475 +this host\n/);
  expect(exposure).toContain("containers of network n2 (0 now)");
  for (const [flag, value, text] of [
    ["--net-rate", "in=fast", "invalid net rate"],
    ["--net-rate", "up=1mbit", "invalid net rate"],
    ["--egress-allow", "bad name", "invalid egress destination"],
  ] as const)
    expect((await daemon.berth(["run", "--rm", "--network", "n2", flag, value, "busybox", "true"])).stderr).toContain(
      text,
    );
  expect(
    (await daemon.berth(["run", "--rm", "--network", "host", "--net-rate", "in=1mbit", "busybox", "true"])).stderr,
  ).toContain("need a network of the container's own");
  await daemon.ok("rm", "-f", "kept");
});

test("the daemon's settings: default bind address, options of new networks; thousands of networks have subnets", async () => {
  await using other = await startDaemon({
    args: ["--ip", "127.0.0.1", "--default-network-opt", "bridge=com.docker.network.driver.mtu=1300"],
  });
  await importBusybox(other);
  await other.ok("network", "create", "small");
  await other.ok("run", "-d", "--name", "web", "--network", "small", "-p", "80", "busybox", "sleep", "100");
  expect(await other.ok("port", "web")).toMatch(/^80\/tcp -> 127\.0\.0\.1:\d+$/);
  expect(await other.ok("exec", "web", "cat", "/sys/class/net/eth0/mtu")).toBe("1300");
  await Promise.all(Array.from({ length: 60 }, (_, at) => other.ok("network", "create", `many${at}`)));
  const subnets = (
    await other.ok(
      "network",
      "inspect",
      "-f",
      "{{(index .IPAM.Config 0).Subnet}}",
      ...Array.from({ length: 60 }, (_, at) => `many${at}`),
    )
  ).split("\n");
  expect(new Set(subnets).size).toBe(60);
  expect(await readFile("/proc/net/fib_trie", "utf8")).toContain(subnets[0]?.split("/")[0] ?? "none");
  await other.ok("rm", "-f", "web");
  expect((await other.ok("network", "prune", "-f")).match(/^(many\d+|small)$/gm)?.length).toBe(61);
});
