import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

/** Sends a create as it is written, as JSON.stringify would make other numbers and keys of it. */
async function create(members: string): Promise<{ status: number; text: string; id: string }> {
  const reply = await fetch("http://d/v1.51/containers/create", {
    unix: daemon.socket,
    method: "POST",
    body: `{"Image":"busybox","Cmd":["sleep","600"],${members}}`,
    headers: { "Content-Type": "application/json" },
  });
  const text = await reply.text();
  return { status: reply.status, text, id: /"Id":"([0-9a-f]{64})"/.exec(text)?.[1] ?? "" };
}
const host = (members: string) => create(`"HostConfig":{${members}}`);

describe("numbers that no container can have are refused", () => {
  test.each(["9223372036854775808", "9223372036854775807", "-9223372036854775809", "1e30", "-1", "1.5", '"1"', "{}"])(
    "Memory %s",
    async (value) => {
      expect((await host(`"Memory":${value}`)).status).toBe(400);
    },
  );
  test.each([
    '"NanoCpus":9223372036854775807',
    '"CpuShares":-5',
    '"ShmSize":-1',
    '"OomScoreAdj":5000',
    '"CpusetCpus":"0-99999999999"',
    '"ConsoleSize":[-1,5]',
    '"Ulimits":[{"Name":"nofile","Soft":5,"Hard":1}]',
    '"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":-1}',
    '"BlkioWeight":1.5',
    '"PidsLimit":9223372036854775808',
    '"Memory":NaN',
  ])("%s", async (member) => {
    expect((await host(member)).status).toBe(400);
  });
  test.each(['"Interval":9223372036854775808', '"Interval":1e40', '"Interval":-1', '"Timeout":1.5', '"Retries":-1'])(
    "Healthcheck %s",
    async (member) => {
      expect((await create(`"Healthcheck":{"Test":["CMD","true"],${member}}`)).status).toBe(400);
    },
  );
});

describe("line breaks and NULs get into no file of the container and no argument", () => {
  test.each([
    '"Hostname":"a\\nb"',
    '"Domainname":"a\\n6.6.6.6 bank"',
    '"Env":["A=\\u0000"]',
    '"Cmd":["a\\u0000b"]',
    '"WorkingDir":"/a\\u0000b"',
    '"HostConfig":{"ExtraHosts":["a:1.2.3.4\\n6.6.6.6 bank"]}',
    '"HostConfig":{"ExtraHosts":["a\\n6.6.6.6 bank:1.2.3.4"]}',
    '"HostConfig":{"Dns":["1.2.3.4\\nnameserver 6.6.6.6"]}',
    '"HostConfig":{"DnsSearch":["a\\nnameserver 6.6.6.6"]}',
    '"HostConfig":{"DnsOptions":["a\\nnameserver 6.6.6.6"]}',
    '"HostConfig":{"Binds":["/tmp\\u0000:/a"]}',
    '"HostConfig":{"Sysctls":{"net.ipv4.ip_forward":"1\\n","kernel.core_pattern":"|/x"}}',
    '"HostConfig":{"Sysctls":{"net.ipv4/../../kernel/core_pattern":"|/x"}}',
    '"HostConfig":{"Sysctls":{"net.../kernel.core_pattern":"|/x"}}',
    '"HostConfig":{"Runtime":"../../../bin/sh"}',
  ])("%s", async (members) => {
    expect((await create(members)).status).toBe(400);
  });
});

describe("names of JavaScript's own are names like others", () => {
  test("labels, annotations and volumes keep them", async () => {
    const { id } = await create(
      '"Labels":{"__proto__":"a","constructor":"b","toString":"c"},"Volumes":{"/v/__proto__":{}}',
    );
    const { Config: config } = (await (await daemon.request("GET", `/v1.51/containers/${id}/json`)).json()) as {
      Config: { Labels: object };
    };
    expect(Object.entries(config.Labels)).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"],
      ["toString", "c"],
    ]);
    expect(
      await daemon.ok("ps", "-aq", "--no-trunc", "--filter", "label=__proto__=a", "--filter", "label=constructor"),
    ).toBe(id);
    expect(await daemon.ok("ps", "-aq", "--filter", "label=valueOf")).toBe("");
    await daemon.ok("rm", "-v", id);
  });

  test.each([
    '"__proto__":{"HostConfig":{"Privileged":true}}',
    '"HostConfig":{"__proto__":{"Privileged":true,"Binds":["/:/host"]}}',
    '"constructor":{"prototype":{"Privileged":true}}',
  ])("%s changes nothing", async (members) => {
    const { id, status } = await create(members);
    expect(status).toBe(201);
    expect(await daemon.ok("inspect", "-f", "{{.HostConfig.Privileged}} {{len .Mounts}}", id)).toBe("false 0");
    const other = await create('"Labels":{}');
    expect(await daemon.ok("inspect", "-f", "{{.HostConfig.Privileged}} {{len .Mounts}}", other.id)).toBe("false 0");
    await daemon.ok("rm", id, other.id);
  });

  test.each([
    '"LogConfig":{"Type":"constructor"}',
    '"LogConfig":{"Type":"__proto__"}',
    '"LogConfig":{"Type":"json-file","Config":{"constructor":"1"}}',
    '"Runtime":"constructor"',
    '"Runtime":"__proto__"',
    '"Sysctls":{"__proto__":"1"}',
    '"PortBindings":{"__proto__":[{"HostPort":"1"}]}',
    '"Mounts":[{"Type":"constructor","Target":"/a"}]',
    '"Links":["__proto__:a"]',
    '"RestartPolicy":{"Name":"constructor"}',
    '"CapAdd":["constructor"]',
    '"Ulimits":[{"Name":"constructor","Soft":1,"Hard":1}]',
  ])("%s is refused", async (member) => {
    expect((await host(member)).status).toBe(400);
  });
});

test("an image's or a request's annotations and labels never steer the runtime or the engine (CVE-2026-53488)", async () => {
  const marker = `${daemon.folder}/hook-ran`;
  const { id } = await host(
    `"Annotations":{"run.oci.hooks.stdout":"${marker}","run.oci.handler":"krun","run.oci.keep_original_groups":"1","org.systemd.property.x":"1","run.oci.seccomp_bpf_data":"AAAA"}`,
  );
  await daemon.ok("start", id);
  expect(await daemon.ok("exec", id, "grep", "Seccomp:", "/proc/self/status")).toBe("Seccomp:\t2");
  const config = (await Bun.file(`${daemon.execRoot}/c/${id}/config.json`).json()) as {
    annotations?: Record<string, string>;
  };
  expect(
    Object.entries(config.annotations ?? {}).filter(
      ([name, value]) => name.startsWith("run.oci.") && (name !== "run.oci.seccomp_bpf_data" || value === "AAAA"),
    ),
  ).toEqual([]);
  await daemon.ok("rm", "-f", id);
  await daemon.ok("create", "--name", "labelled", "busybox", "true");
  await daemon.ok(
    "commit",
    "--change",
    "LABEL run.oci.handler=krun io.containerd.image.x=1 com.docker.network.bridge.name=lo",
    "labelled",
    "labelled",
  );
  expect(await daemon.ok("run", "--rm", "labelled", "echo", "fine")).toBe("fine");
  await daemon.ok("rm", "labelled");
  expect(await Bun.file(marker).exists()).toBe(false);
});

test("huge and deep requests are answered soon, and others meanwhile", async () => {
  const many = (count: number, row: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) => row(index)).join(",");
  const bodies = [
    `"Env":["A=${"a".repeat(10 << 20)}"]`,
    `"Env":["A=${"a".repeat(3 << 20)}"]`,
    `"Labels":{${many(100_000, (i) => `"l${i}":"1"`)}}`,
    `"ExposedPorts":{${many(65_535, (i) => `"${i + 1}/tcp":{}`)}}`,
    `"HostConfig":{"Binds":[${many(50_000, (i) => `"/tmp:/x${i}"`)}]}`,
    `"HostConfig":{"ExtraHosts":[${many(100_000, (i) => `"h${i}:1.2.3.4"`)}]}`,
    `"Labels":${"[".repeat(500_000)}${"]".repeat(500_000)}`,
    `"Foo":${"[".repeat(500_000)}${"]".repeat(500_000)}`,
    `"HostConfig":${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`,
    `"WorkingDir":"/${"a/".repeat(100_000)}"`,
  ];
  let worstMs = 0;
  let over = false;
  const pings = (async () => {
    while (!over) {
      const begin = performance.now();
      await daemon.request("GET", "/_ping");
      worstMs = Math.max(worstMs, performance.now() - begin);
    }
  })();
  const made = [];
  for (const body of bodies) made.push(await create(body));
  over = true;
  await pings;
  expect(made.every(({ status }) => status === 201 || status === 400)).toBe(true);
  expect(worstMs).toBeLessThan(3000);
  // and what was made can be listed, looked at and removed
  const ids = made.map(({ id }) => id).filter(Boolean);
  expect((await daemon.ok("ps", "-aq", "--no-trunc")).split("\n")).toEqual(expect.arrayContaining(ids));
  for (const id of ids) expect(await daemon.ok("inspect", "-f", "{{.Id}}", id)).toBe(id);
  await daemon.ok("rm", ...ids);
}, 60_000);

test("times beyond what a timer takes are long, not nothing", async () => {
  const { id } = await create(
    '"Healthcheck":{"Test":["CMD-SHELL","echo x >> /probes"],"Interval":3000000000000000,"Timeout":3000000000000000}',
  );
  await daemon.ok("start", id);
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "slow-end",
    "busybox",
    "sh",
    "-c",
    "trap 'sleep 0.3; exit 7' TERM; echo ready; while :; do sleep 0.05; done",
  );
  await until("it is ready", async () => (await daemon.ok("logs", "slow-end")) === "ready");
  await daemon.ok("stop", "-t", "3000000", "slow-end");
  expect(await daemon.ok("inspect", "-f", "{{.State.ExitCode}}", "slow-end")).toBe("7");
  expect((await daemon.docker(["exec", id, "cat", "/probes"])).status).not.toBe(0);
  await daemon.ok("rm", "-f", id, "slow-end");
});

test("a name filter cannot make the daemon think for long", async () => {
  const name = "a".repeat(60);
  await daemon.ok("create", "--name", name, "busybox", "true");
  const begin = performance.now();
  for (const filter of [
    "(a+)+$b",
    `${"a?".repeat(60)}${"a".repeat(60)}b`,
    "(a|a)*b",
    "(a|aa)+$b",
    "a*a*a*a*a*a*b",
    "(.*)*x",
    `${"(a?)".repeat(40)}${"a".repeat(40)}b`,
    "([a-z]*)*\\d",
  ])
    await daemon.docker(["ps", "-a", "--filter", `name=${filter}`]);
  expect(performance.now() - begin).toBeLessThan(5000);
  await daemon.ok("rm", name);
});

test("ids of users that would wrap around to root are refused, in run, exec and the image (CVE-2024-40635)", async () => {
  await daemon.ok("run", "-d", "--name", "ids", "busybox", "sleep", "600");
  await daemon.ok("create", "--name", "donor", "busybox", "true");
  for (const user of [
    "2147483648",
    "4294967295",
    "4294967296",
    "-1",
    "0x0",
    " 0",
    "1e3",
    "99999999999999999999",
    "1000:4294967295",
    "1000:-1",
    "0:4294967296",
  ]) {
    expect((await daemon.docker(["run", "--rm", "-u", user, "busybox", "id"])).stdout).toBe("");
    expect((await daemon.docker(["exec", "-u", user, "ids", "id"])).stdout).not.toContain("uid=0");
    if (!/^[\d:]+$/.test(user)) continue;
    await daemon.ok("commit", "--change", `USER ${user}`, "donor", "wraps");
    expect((await daemon.docker(["run", "--rm", "wraps", "id"])).stdout).toBe("");
  }
  expect((await daemon.docker(["run", "--rm", "--group-add", "4294967296", "busybox", "id"])).stdout).toBe("");
  // CVE-2022-36109: the primary group is among the supplementary ones
  expect(await daemon.ok("run", "--rm", "-u", "1000:1000", "busybox", "grep", "Groups", "/proc/self/status")).toBe(
    "Groups:\t1000 ",
  );
  await daemon.ok("rm", "-f", "ids", "donor");
});
