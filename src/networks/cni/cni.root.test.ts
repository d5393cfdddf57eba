import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { ask, failure, must, NetworkLab, run, serve } from "../../../test/fixtures/network-lab.ts";

setDefaultTimeout(60_000);

const folder = mkdtempSync(`${tmpdir()}/berth-cni-`);
const tag = String(process.pid % 10_000);
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await run("ip", "link", "del", `cni${tag}`);
  // what Debian's firewall plugin leaves behind
  for (const words of ["-D FORWARD -m comment --comment", "-F CNI-FORWARD", "-X CNI-FORWARD", "-X CNI-ADMIN"]) {
    const more = words.startsWith("-D") ? ["CNI firewall plugin rules", "-j", "CNI-FORWARD"] : [];
    await run("iptables", "-w", "5", ...words.split(" "), ...more);
  }
  await run("rm", "-rf", ...["br", "ptp", "mv", "fake"].map((name) => `/var/lib/cni/networks/${name}${tag}`));
});

const debian = "/usr/lib/cni";
const hostLocal = (subnet: string) => ({
  type: "host-local",
  ranges: [[{ subnet }]],
  routes: [{ dst: "0.0.0.0/0" }],
});
function listFile(name: string, plugins: readonly object[], version = "1.0.0"): string {
  const path = `${folder}/${name}.conflist`;
  writeFileSync(path, JSON.stringify({ cniVersion: version, name: `${name}${tag}`, plugins }));
  return path;
}
const on = (...networks: string[]) => ({
  mode: "networks" as const,
  attachments: networks.map((network) => ({ network, aliases: [], driverOptions: {} })),
});
const create = (lab: NetworkLab, name: string, conflist: string, more: Record<string, string> = {}) =>
  lab.create(name, { driver: "cni", options: { conflist, ...more } });
const held = (name: string): string[] => {
  const path = `/var/lib/cni/networks/${name}${tag}`;
  return existsSync(path) ? [...new Bun.Glob("[0-9]*.*").scanSync(path)] : [];
};

test("Debian's bridge plugin with host-local addresses: containers talk, find each other by name, and give all back", async () => {
  await using lab = await NetworkLab.start();
  const bridge = {
    type: "bridge",
    bridge: `cni${tag}`,
    isGateway: true,
    ipMasq: false,
    ipam: hostLocal(`10.${200 + (process.pid % 50)}.9.0/24`),
  };
  // The firewall plugin: another engine's FORWARD policy may drop what nobody accepts.
  const firewall = { type: "firewall", backend: "iptables" };
  const path = listFile("br", [
    bridge,
    firewall,
    { type: "tuning", sysctl: { "net.ipv4.conf.all.log_martians": "1" } },
  ]);
  await create(lab, "outside", `br${tag}`, { "conf-dir": folder });
  await create(lab, "same", path);
  const web = await lab.open("web", on("outside"));
  const app = await lab.open("app", on("outside"));
  const [address] = web.endpoints.map(({ ipv4 }) => ipv4);
  expect(address).toMatch(/^10\.\d+\.9\.\d+$/);
  expect(web.endpoints[0]).toMatchObject({
    interfaceName: "eth0",
    ipv4PrefixLength: 24,
    mac: expect.stringMatching(/^([0-9a-f]{2}:){5}/),
  });
  expect(await must("nsenter", `--net=${web.netnsPath}`, "cat", "/proc/sys/net/ipv4/conf/all/log_martians")).toBe(
    "1\n",
  );
  await using _served = await serve(web.netnsPath, "web", 80);
  expect(await ask(app.netnsPath, address ?? "", 80)).toContain("web");
  const dns = new URL("../../../test/fixtures/dns-ask.ts", import.meta.url).pathname;
  expect(await must("nsenter", `--net=${app.netnsPath}`, process.execPath, dns, "ask", "web")).toContain(
    address ?? "none",
  );
  expect(held("br").length).toBe(2);
  await lab.close(web.plan);
  await lab.close(app.plan);
  expect(held("br")).toEqual([]);
});

test("Debian's ptp and macvlan plugins; live connect and disconnect beside a bridge of ours", async () => {
  await using lab = await NetworkLab.start();
  const third = 100 + (process.pid % 50);
  await create(
    lab,
    "ptp",
    listFile("ptp", [{ type: "ptp", ipam: { ...hostLocal(`10.${third}.8.0/24`), routes: [] } }], "0.4.0"),
  );
  const pair = `cnim${tag}`;
  await must("ip", "link", "add", pair, "type", "veth", "peer", "name", `cnip${tag}`);
  try {
    await must("ip", "link", "set", pair, "up");
    await must("ip", "link", "set", `cnip${tag}`, "up");
    await create(
      lab,
      "mv",
      listFile("mv", [{ type: "macvlan", master: pair, ipam: { ...hostLocal(`10.${third}.7.0/24`), routes: [] } }]),
    );
    await lab.create("own");
    const one = await lab.open("one", on("mv"));
    const two = await lab.open("two", on("mv"));
    await using _served = await serve(one.netnsPath, "one", 80);
    expect(await ask(two.netnsPath, one.endpoints[0]?.ipv4 ?? "", 80)).toContain("one");
    const box = await lab.open("box", on("own"));
    const wish = on("ptp").attachments[0] ?? { network: "", aliases: [], driverOptions: {} };
    const plan = { ...box.plan, attachments: [...box.plan.attachments, wish] };
    const both = await lab.networks.connect(box, plan, wish, { caller: { via: "engine" } });
    expect(both.endpoints.map(({ interfaceName, ipv4 }) => [interfaceName, ipv4 !== ""])).toEqual([
      ["eth0", true],
      ["eth1", true],
    ]);
    await using _box = await serve(box.netnsPath, "box", 81);
    expect(await ask("", both.endpoints[1]?.ipv4 ?? "", 81)).toContain("box");
    expect(held("ptp").length).toBe(1);
    await lab.networks.disconnect(both, box.plan, lab.networks.get("ptp").id, { caller: { via: "engine" } });
    expect(held("ptp")).toEqual([]);
    expect(await must("nsenter", `--net=${box.netnsPath}`, "ip", "-br", "link")).not.toContain("eth1");
  } finally {
    await run("ip", "link", "del", pair);
  }
});

/** A plugin of shell lines; it writes down how it was called. */
function plugin(name: string, body: string): void {
  mkdirSync(`${folder}/bin`, { recursive: true });
  const path = `${folder}/bin/${name}`;
  writeFileSync(
    path,
    `#!/bin/sh
config=$(cat)
echo "${name} $CNI_COMMAND" >> ${folder}/calls
case $CNI_COMMAND in VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}'; exit 0;; esac
${body}
`,
  );
  chmodSync(path, 0o755);
}
function calls(): string[] {
  const text = existsSync(`${folder}/calls`) ? readFileSync(`${folder}/calls`, "utf8") : "";
  rmSync(`${folder}/calls`, { force: true });
  return text.split("\n").filter((line) => line !== "" && !line.endsWith("VERSION"));
}

const makesLink = `case $CNI_COMMAND in ADD) nsenter --net=$CNI_NETNS ip link add $CNI_IFNAME type veth peer name other0
echo '{"cniVersion":"1.1.0","ips":[{"address":"10.9.9.9/24"}]}';; esac`;

test("plugins that fail half way, hang, lie or print nonsense: a clear error, everything undone, the engine goes on", async () => {
  await using lab = await NetworkLab.start();
  plugin("good", makesLink);
  plugin(
    "bad",
    `case $CNI_COMMAND in ADD) echo '{"cniVersion":"1.1.0","code":11,"msg":"no room","details":"try later"}'; exit 1;; esac`,
  );
  plugin("hangs", "case $CNI_COMMAND in ADD) sleep 1000 & sleep 1000;; esac");
  plugin("liar", `case $CNI_COMMAND in ADD) echo '{"cniVersion":"1.1.0","ips":[{"address":"10.9.9.9/24"}]}';; esac`);
  plugin("odd", `${makesLink.replace("10.9.9.9/24", "; drop table")}`);
  plugin("noise", "case $CNI_COMMAND in ADD) head -c 3000000 /dev/zero;; esac");
  plugin(
    "stuck",
    `${makesLink}
case $CNI_COMMAND in DEL) echo stuck >&2; exit 3;; esac`,
  );
  const more = { "bin-dir": `${folder}/bin`, timeout: "1" };
  const opened = async (name: string, ...types: string[]): Promise<string> => {
    await create(
      lab,
      name,
      listFile(
        `fake-${name}`,
        types.map((type) => ({ type })),
        "1.1.0",
      ),
      more,
    );
    return failure(lab.open(name, on(name)));
  };
  expect(await opened("half", "good", "bad")).toContain('CNI plugin "bad" (ADD) failed: no room try later (code 11)');
  expect(calls()).toEqual(["good ADD", "bad ADD", "bad DEL", "good DEL", "bad DEL", "good DEL"]);
  const before = performance.now();
  expect(await opened("late", "hangs")).toContain('CNI plugin "hangs" (ADD) did not end in 1s and was killed');
  expect(performance.now() - before).toBeLessThan(8000);
  expect(await opened("lies", "liar")).toContain("its plugins say they succeeded, and there is no interface eth0");
  expect(await opened("oddity", "odd")).toContain('has an address "; drop table" that is none');
  expect(await opened("loud", "noise")).toContain("printed more than 1048576 bytes and was killed");
  // One that cannot be unplugged keeps no container.
  await create(lab, "sticky", listFile("fake-sticky", [{ type: "stuck" }], "1.1.0"), more);
  const box = await lab.open("sticky", on("sticky"));
  await lab.close(box.plan);
  expect(lab.log.join("\n")).toContain('CNI plugin "stuck" (DEL) failed: status 3: stuck');
  expect(lab.networks.endpoints(lab.networks.get("sticky").id).size).toBe(0);
});

test("after a start of the engine plugins check what is plugged in, and collect what is not", async () => {
  await using lab = await NetworkLab.start();
  plugin(
    "good",
    `${makesLink}
case $CNI_COMMAND in CHECK) echo '{"cniVersion":"1.1.0","code":100,"msg":"route is gone"}'; exit 1;; GC) echo "$config" > ${folder}/gc;; esac`,
  );
  await create(lab, "kept", listFile("fake-kept", [{ type: "good" }], "1.1.0"), { "bin-dir": `${folder}/bin` });
  const box = await lab.open("box", on("kept"));
  await lab.networks.shutdown();
  await lab.begin();
  await lab.networks.restore(new Map([[box.plan.containerId, box]]));
  while (!existsSync(`${folder}/gc`)) await Bun.sleep(10);
  expect(lab.log.join("\n")).toContain('container box: CNI plugin "good" (CHECK) failed: route is gone (code 100)');
  const { "cni.dev/valid-attachments": valid } = JSON.parse(readFileSync(`${folder}/gc`, "utf8")) as Record<
    string,
    unknown
  >;
  expect(valid).toEqual([{ containerID: box.plan.containerId, ifname: "eth0" }]);
});

test("a network is refused whose list, plugin or version is not there", async () => {
  await using lab = await NetworkLab.start();
  const refused = (conflist: string, more: Record<string, string> = {}): Promise<string> =>
    failure(create(lab, "bad", conflist, more));
  expect(await refused("nosuch", { "conf-dir": folder })).toBe(`no CNI configuration "nosuch" in ${folder}`);
  expect(await refused(listFile("none", [{ type: "nosuchplugin" }]))).toContain(
    'CNI plugin "nosuchplugin" is in none of',
  );
  expect(await refused(listFile("new", [{ type: "bridge" }], "9.0.0"))).toContain(
    'CNI plugin "bridge" does not speak version 9.0.0',
  );
  expect(await failure(lab.create("bad", { driver: "cni" }))).toContain("needs -o conflist=NAME");
  const pools = [{ subnet: "10.0.0.0/24" }];
  expect(await failure(lab.create("bad", { driver: "cni", pools, options: { conflist: "x" } }))).toContain(
    "are its plugins' to give",
  );
  expect(existsSync(debian)).toBe(true);
});
