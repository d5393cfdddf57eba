import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { client, clientNames } from "../harness/clients.ts";
import { eventsOf, importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

describe.each(clientNames)("%s network", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);
  const n = (word: string): string => `${name}-${word}`;
  const sleeper = ["busybox", "sleep", "600"];
  const addresses = async (c: string): Promise<string[]> =>
    (await cli(["exec", c, "sh", "-c", "ip -o -4 addr | awk '{print $2, $4}'"])).stdout
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("lo "));

  test("ls, inspect and their formats show the predefined networks", async () => {
    const list = (await cli(["network", "ls"])).stdout;
    expect(list).toMatch(/^NETWORK ID +NAME +DRIVER +SCOPE\n/);
    expect(list).toMatch(/\n[0-9a-f]{12} +bridge +bridge +local\n/);
    expect(list).toMatch(/\n[0-9a-f]{12} +none +null +local\n/);
    expect(
      (
        await cli([
          "network",
          "ls",
          "-f",
          "driver=host",
          "--format",
          "{{.Name}} {{.Driver}} {{.Scope}} {{.IPv6}} {{.Internal}}",
        ])
      ).stdout,
    ).toBe("host host local false false\n");
    expect((await cli(["network", "ls", "-qf", "type=custom"])).stdout).toBe("");
    expect((await cli(["network", "ls", "-f", "bogus=1"])).stderr).toContain("invalid filter 'bogus'");
    const [bridge] = JSON.parse((await cli(["network", "inspect", "bridge"])).stdout) as [Record<string, unknown>];
    expect(Object.keys(bridge)).toEqual([
      "Name",
      "Id",
      "Created",
      "Scope",
      "Driver",
      "EnableIPv4",
      "EnableIPv6",
      "IPAM",
      "Internal",
      "Attachable",
      "Ingress",
      "ConfigFrom",
      "ConfigOnly",
      "Containers",
      "Options",
      "Labels",
    ]);
    expect((await cli(["network", "inspect", "nosuch"])).stderr).toContain("network nosuch not found");
  });

  test("create with subnet, range, gateway, label and options; a static address; containers reach each other", async () => {
    const net = n("own");
    const made = await cli([
      "network",
      "create",
      "--subnet",
      "10.213.7.0/24",
      "--ip-range",
      "10.213.7.128/25",
      "--gateway",
      "10.213.7.1",
      "--label",
      "l=1",
      "-o",
      "com.docker.network.driver.mtu=1400",
      net,
    ]);
    expect(made.stdout).toMatch(/^[0-9a-f]{64}\n$/);
    expect(JSON.parse(await daemon.ok("network", "inspect", "-f", "{{json .IPAM.Config}}", net))).toEqual([
      { Subnet: "10.213.7.0/24", IPRange: "10.213.7.128/25", Gateway: "10.213.7.1" },
    ]);
    await cli([
      "run",
      "-d",
      "--name",
      n("a"),
      "--network",
      net,
      "--ip",
      "10.213.7.200",
      "--network-alias",
      "al",
      ...sleeper,
    ]);
    await cli(["run", "-d", "--name", n("b"), "--network", net, ...sleeper]);
    expect(await addresses(n("a"))).toEqual(["eth0 10.213.7.200/24"]);
    expect(await addresses(n("b"))).toEqual(["eth0 10.213.7.128/24"]);
    expect((await cli(["exec", n("b"), "ping", "-c1", "-w3", "10.213.7.200"])).stdout).toContain("1 packets received");
    expect((await cli(["exec", n("b"), "cat", "/sys/class/net/eth0/mtu"])).stdout).toBe("1400\n");
    const endpoint = JSON.parse(
      await daemon.ok("inspect", "-f", `{{json (index .NetworkSettings.Networks "${net}")}}`, n("a")),
    ) as Record<string, unknown>;
    expect(endpoint).toMatchObject({
      IPAMConfig: { IPv4Address: "10.213.7.200" },
      Aliases: ["al"],
      Gateway: "10.213.7.1",
      IPAddress: "10.213.7.200",
      IPPrefixLen: 24,
      MacAddress: expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
    });
    expect(endpoint["DNSNames"]).toEqual(expect.arrayContaining([n("a"), "al"]));
    const inside = JSON.parse(await daemon.ok("network", "inspect", "-f", "{{json .Containers}}", net)) as Record<
      string,
      { Name: string; IPv4Address: string }
    >;
    expect(
      Object.values(inside)
        .map((one) => `${one.Name} ${one.IPv4Address}`)
        .sort(),
    ).toEqual([`${n("a")} 10.213.7.200/24`, `${n("b")} 10.213.7.128/24`]);
    expect((await cli(["ps", "-f", `network=${net}`, "--format", "{{.Names}} {{.Networks}}"])).stdout).toBe(
      `${n("b")} ${net}\n${n("a")} ${net}\n`,
    );
    const taken = await cli(["run", "--rm", "--network", net, "--ip", "10.213.7.200", "busybox", "true"]);
    expect(taken.stderr).toContain("Address already in use");
    const outside = await cli(["run", "--rm", "--network", net, "--ip", "10.1.1.1", "busybox", "true"]);
    expect({
      status: outside.status,
      text: outside.stderr.includes("10.1.1.1") || outside.stderr.includes("subnet"),
    }).toEqual({ status: 125, text: true });
    const refused = await cli(["network", "rm", net]);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(`error while removing network: network ${net} has active endpoints`);
    await cli(["rm", "-f", n("a"), n("b")]);
    expect((await cli(["network", "rm", net])).stdout).toBe(`${net}\n`);
  });

  test("connect and disconnect change a running container, and a stopped one at its next start", async () => {
    const net = n("later");
    await cli(["network", "create", "--subnet", "10.213.8.0/24", net]);
    await cli(["run", "-d", "--name", n("live"), ...sleeper]);
    expect((await cli(["network", "connect", "--ip", "10.213.8.9", "--alias", "x", net, n("live")])).status).toBe(0);
    expect(await addresses(n("live"))).toEqual([expect.stringMatching(/^eth0 /), "eth1 10.213.8.9/24"]);
    const again = await cli(["network", "connect", net, n("live")]);
    expect(again.stderr).toContain(`endpoint with name ${n("live")} already exists in network ${net}`);
    await cli(["restart", "-t", "0", n("live")]);
    expect((await addresses(n("live"))).some((line) => line.endsWith("10.213.8.9/24"))).toBe(true);
    expect((await cli(["network", "disconnect", net, n("live")])).status).toBe(0);
    expect(await addresses(n("live"))).toHaveLength(1);
    const id = await daemon.ok("inspect", "-f", "{{.Id}}", n("live"));
    expect((await cli(["network", "disconnect", net, n("live")])).stderr).toContain(
      `container ${id} is not connected to network ${net}`,
    );
    await cli(["create", "--name", n("idle"), ...sleeper]);
    await cli(["network", "connect", net, n("idle")]);
    await cli(["network", "disconnect", "bridge", n("idle")]);
    await cli(["start", n("idle")]);
    expect(await addresses(n("idle"))).toEqual([expect.stringMatching(/^eth\d 10\.213\.8\./)]);
    expect((await cli(["network", "connect", "nosuch", n("live")])).stderr).toContain("network nosuch not found");
    expect((await cli(["network", "connect", net, "nosuch"])).stderr).toContain("No such container: nosuch");
    expect((await cli(["network", "disconnect", "-f", net, n("idle")])).status).toBe(0);
    await cli(["rm", "-f", n("live"), n("idle")]);
    await cli(["network", "rm", net]);
    expect(await eventsOf(daemon, "type=network", `network=${net}`)).toEqual(
      expect.arrayContaining(["create", "connect", "disconnect", "destroy"]),
    );
  });

  test("an internal network has no way out, networks are apart, and run takes several", async () => {
    await cli(["network", "create", "--internal", n("in")]);
    await cli(["network", "create", n("out")]);
    expect(
      (await cli(["run", "--rm", "--network", n("in"), "busybox", "sh", "-c", "ip route | grep -c default; true"]))
        .stdout,
    ).toBe("0\n");
    await cli(["run", "-d", "--name", n("t"), "--network", n("out"), ...sleeper]);
    const target = await daemon.ok("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", n("t"));
    expect((await cli(["run", "--rm", "busybox", "ping", "-c1", "-W1", target])).status).toBe(1);
    expect((await cli(["run", "--rm", "--network", n("out"), "busybox", "ping", "-c1", "-w3", target])).status).toBe(0);
    const both = await cli([
      "run",
      "--rm",
      "--network",
      n("in"),
      "--network",
      n("out"),
      "busybox",
      "sh",
      "-c",
      "ip -o link | grep -c 'eth[01]'",
    ]);
    expect(both.stdout).toBe("2\n");
    await cli(["rm", "-f", n("t")]);
    const pruned = await cli(["network", "prune", "-f"]);
    expect(pruned.stdout).toContain("Deleted Networks:");
    expect((await cli(["network", "ls", "-qf", "type=custom"])).stdout).toBe("");
  });

  test("what cannot be is refused with Docker's words", async () => {
    await cli(["network", "create", "--subnet", "10.213.9.0/24", n("first")]);
    for (const [args, text] of [
      [["network", "create", n("first")], `network with name ${n("first")} already exists`],
      [
        ["network", "create", "--subnet", "10.213.9.0/25", n("second")],
        "Pool overlaps with other one on this address space",
      ],
      [["network", "create", "bridge"], "operation is not permitted on predefined bridge network"],
      [["network", "rm", "bridge"], "bridge is a pre-defined network and cannot be removed"],
      [["network", "rm", "nosuch"], "network nosuch not found"],
      [["network", "create", "-d", "nosuch", "x"], 'plugin "nosuch" not found'],
      [["network", "create", "--subnet", "bogus", "x"], "bogus"],
      [
        ["network", "create", "--gateway", "10.1.1.1", "x"],
        "every ip-range or gateway must have a corresponding subnet",
      ],
    ] as const) {
      const result = await cli([...args]);
      expect({ args, status: result.status, text: result.stderr.includes(text) ? text : result.stderr }).toEqual({
        args,
        status: 1,
        text,
      });
    }
    await cli(["network", "rm", n("first")]);
  });
});
