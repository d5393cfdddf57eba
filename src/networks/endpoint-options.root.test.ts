import { expect, setDefaultTimeout, test } from "bun:test";
import { ask, failure, must, NetworkLab, OtherHost, serve } from "../../test/fixtures/network-lab.ts";
import type { Attachment } from "./network.ts";

setDefaultTimeout(30_000);

const on = (network: string, wish: Partial<Attachment> = {}) => ({
  mode: "networks" as const,
  attachments: [{ network, aliases: [], driverOptions: {}, ...wish }],
});

test("an endpoint has the interface name, MAC, link-local addresses and sysctls that were asked for", async () => {
  await using lab = await NetworkLab.start();
  await lab.create("front", { enableIpv6: true });
  const box = await lab.open(
    "box",
    on("front", {
      mac: "02:aa:bb:cc:dd:ee",
      linkLocalIps: ["169.254.7.7", "fe80::77"],
      driverOptions: {
        "com.docker.network.endpoint.ifname": "wan.0",
        "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=2",
      },
    }),
  );
  const into = ["nsenter", `--net=${box.netnsPath}`];
  expect(box.endpoints[0]?.interfaceName).toBe("wan.0");
  const shown = await must(...into, "ip", "addr", "show", "wan.0");
  for (const text of ["02:aa:bb:cc:dd:ee", "169.254.7.7/16", "fe80::77/64"]) expect(shown).toContain(text);
  const keys = ["/proc/sys/net/ipv4/conf/wan.0/log_martians", "/proc/sys/net/ipv6/conf/wan.0/accept_ra"];
  expect(await must(...into, "cat", ...keys)).toBe("1\n2\n");
});

test("what no endpoint can have is refused with its name", async () => {
  await using lab = await NetworkLab.start();
  await lab.create("front", { pools: [{ subnet: "10.214.0.0/24" }] });
  const refused = (wish: Partial<Attachment>): Promise<string> => failure(lab.open("box", on("front", wish)));
  expect(await refused({ driverOptions: { "no.such": "1" } })).toStartWith("endpoint option no.such is not known");
  expect(await refused({ driverOptions: { "com.docker.network.endpoint.ifname": "a/b" } })).toContain(
    "is no name for an interface",
  );
  expect(await refused({ driverOptions: { "com.docker.network.endpoint.sysctls": "kernel.hostname=x" } })).toContain(
    "is not like net.ipv4.conf.IFNAME.key=value",
  );
  expect(
    await refused({ driverOptions: { "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.nosuch=1" } }),
  ).toContain("nosuch");
  expect(await refused({ mac: "01:00:5e:00:00:01" })).toBe(
    "invalid MAC address: 01:00:5e:00:00:01 is no address of a single interface",
  );
  expect(await refused({ linkLocalIps: ["10.0.0.1"] })).toBe(
    "link-local address 10.0.0.1 is in neither 169.254.0.0/16 nor fe80::/10",
  );
  expect(await refused({ ipv4: "10.215.0.9" })).toBe(
    "Invalid address 10.215.0.9: It does not belong to any of this network's subnets",
  );
  expect(await refused({ ipv4: "10.214.0.1" })).toBe("Address already in use");
  await lab.open("holder", on("front", { ipv4: "10.214.0.9" }));
  expect(await refused({ ipv4: "10.214.0.9" })).toBe("Address already in use");
  expect(
    await failure(
      lab.open("twice", { mode: "networks", attachments: [...on("front").attachments, ...on("front").attachments] }),
    ),
  ).toBe("endpoint with name twice already exists in network front");
});

test("gateway modes: routed and unprotected containers are reached at their own address, others only by their ports", async () => {
  await using lab = await NetworkLab.start();
  await using other = await OtherHost.start();
  const mode = (text: string) => ({ options: { "com.docker.network.bridge.gateway_mode_ipv4": text } });
  await lab.create("nat");
  await lab.create("open", mode("nat-unprotected"));
  await lab.create("routed", mode("routed"));
  const ports = [{ containerPort: 80, protocol: "tcp" as const, hostIp: "", hostPort: 0 }];
  const reach: Record<string, string[]> = {};
  for (const network of ["nat", "open", "routed"]) {
    const box = await lab.open(network, { ...on(network), ports });
    const address = box.endpoints[0]?.ipv4 ?? "";
    await using _one = await serve(box.netnsPath, "published", 80);
    await using _two = await serve(box.netnsPath, "hidden", 81);
    const words = async (port: number): Promise<string> =>
      (await ask(other.netns, address, port)).startsWith("no answer") ? "closed" : "open";
    reach[network] = [
      ...(await Promise.all([words(80), words(81)])),
      String(box.ports.map(({ hostPort }) => hostPort !== 0)),
    ];
    await lab.close(box.plan);
  }
  expect(reach).toEqual({
    nat: ["closed", "closed", "true,true"],
    open: ["open", "open", "true,true"],
    routed: ["open", "closed", "false,true"],
  });
  expect(await failure(lab.create("x", mode("isolated")))).toBe(
    "gateway mode 'isolated' can only be used for an internal network",
  );
  const { id } = await lab.create("shut", { internal: true, ...mode("isolated") });
  expect(await must("ip", "-4", "-br", "addr", "show", `br-${id.slice(0, 12)}`)).not.toContain("/24");
});
