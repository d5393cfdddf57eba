import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, program, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run, until } from "../harness/run.ts";

let folder: string;
let daemon: TestDaemon;
const file = (): string => join(folder, "daemon.json");
const settings = {
  labels: ["rack=7", "zone=b"],
  "log-driver": "local",
  "log-opts": { "max-size": "2m", "max-file": "3" },
  "default-ulimits": { nofile: { Name: "nofile", Soft: 300, Hard: 400 } },
  dns: ["10.9.9.9"],
  "dns-search": ["corp.test"],
  "dns-opts": ["ndots:2"],
  bip: "10.214.3.1/24",
  "default-address-pools": [{ base: "10.214.128.0/17", size: 24 }],
  "default-runtime": "runc",
  "default-shm-size": "8m",
  "shutdown-timeout": 5,
};
beforeAll(async () => {
  folder = await mkdtemp("/tmp/berth-c-");
  await writeFile(file(), JSON.stringify(settings));
  daemon = await startDaemon({ args: ["--config-file", file(), "--add-runtime", "mine=/usr/bin/crun", "--init"] });
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const sh = (line: string, ...flags: string[]): Promise<string> =>
  daemon.ok("run", "--rm", ...flags, "busybox", "sh", "-c", line);

describe("what daemon.json and flags set", () => {
  test("is told by info", async () => {
    const info = JSON.parse(await daemon.ok("info", "-f", "{{json .}}")) as Record<string, unknown>;
    expect(info).toMatchObject({ Labels: ["rack=7", "zone=b"], LoggingDriver: "local", DefaultRuntime: "runc" });
    expect(Object.keys(info["Runtimes"] as object)).toEqual(expect.arrayContaining(["mine", "runc", "crun"]));
    expect(info["DefaultAddressPools"]).toEqual([{ Base: "10.214.128.0/17", Size: 24 }]);
  });

  test("holds for containers: limits, names, shared memory, runtime, init, log", async () => {
    expect(await sh("ulimit -n; ulimit -Hn")).toBe("300\n400");
    expect(await sh("ulimit -n", "--ulimit", "nofile=50:60")).toBe("50");
    const resolv = await sh("cat /etc/resolv.conf");
    for (const line of ["nameserver 10.9.9.9", "search corp.test", "options ndots:2"]) expect(resolv).toContain(line);
    expect(await sh("df -k /dev/shm | tail -1 | awk '{print $2}'")).toBe("8192");
    expect(await sh("ps | sed -n 2p")).toContain("docker-init");
    await daemon.ok("create", "--name", "told", "busybox", "true");
    expect(
      await daemon.ok(
        "inspect",
        "-f",
        "{{.HostConfig.Runtime}} {{json .HostConfig.LogConfig}} {{.HostConfig.ShmSize}}",
        "told",
      ),
    ).toBe('runc {"Type":"local","Config":{"max-file":"3","max-size":"2m"}} 8388608');
    await daemon.ok("rm", "told");
    await daemon.ok("create", "--name", "other", "--log-driver", "json-file", "--runtime", "mine", "busybox", "true");
    expect(await daemon.ok("inspect", "-f", "{{.HostConfig.Runtime}} {{json .HostConfig.LogConfig}}", "other")).toBe(
      'mine {"Type":"json-file","Config":{}}',
    );
    expect((await daemon.docker(["start", "-a", "other"])).status).toBe(0);
    await daemon.ok("rm", "other");
  });

  test("chooses the addresses of the default bridge and of new networks", async () => {
    expect(
      await daemon.ok("network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}", "bridge"),
    ).toBe("10.214.3.0/24 10.214.3.1");
    expect(await sh("ip -o -4 addr show eth0 | awk '{print $4}'")).toMatch(/^10\.214\.3\.\d+\/24$/);
    await daemon.ok("network", "create", "pooled");
    expect(await daemon.ok("network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}}{{end}}", "pooled")).toMatch(
      /^10\.214\.(12[89]|1[3-9]\d|2\d\d)\.0\/24$/,
    );
    await daemon.ok("network", "rm", "pooled");
  });
});

test("SIGHUP takes what can be taken while containers run on", async () => {
  await daemon.ok("run", "-d", "--name", "steady", "busybox", "sleep", "600");
  await writeFile(file(), JSON.stringify({ ...settings, labels: ["rack=8"], "shutdown-timeout": 6 }));
  process.kill(daemon.pid(), "SIGHUP");
  await until("the label is new", async () => (await daemon.ok("info", "-f", "{{.Labels}}")) === "[rack=8]");
  expect(await daemon.ok("inspect", "-f", "{{.State.Running}}", "steady")).toBe("true");
  await writeFile(file(), "{ broken");
  process.kill(daemon.pid(), "SIGHUP");
  expect(await daemon.ok("info", "-f", "{{.Labels}}")).toBe("[rack=8]");
  await writeFile(file(), JSON.stringify(settings));
  await daemon.ok("rm", "-f", "steady");
});

test("a second daemon on the same folders is refused and the first is untouched", async () => {
  const second = await run(
    [
      ...program,
      "daemon",
      "-H",
      `unix://${folder}/second.sock`,
      "--data-root",
      daemon.dataRoot,
      "--exec-root",
      daemon.execRoot,
      "--pidfile",
      join(folder, "second.pid"),
      "--config-file",
      file(),
    ],
    { timeoutMs: 20_000 },
  );
  expect(second.status).not.toBe(0);
  expect(second.status).not.toBe(137);
  expect(second.stderr).not.toBe("");
  expect((await daemon.request("GET", "/_ping")).status).toBe(200);
});

describe("a daemon does not start, and says why,", () => {
  const start = async (config: unknown, ...flags: string[]): Promise<string> => {
    const path = join(folder, "bad.json");
    await writeFile(path, typeof config === "string" ? config : JSON.stringify(config));
    const result = await run(
      [
        ...program,
        "daemon",
        "-H",
        `unix://${folder}/bad.sock`,
        "--data-root",
        join(folder, "bad"),
        "--exec-root",
        join(folder, "bad-exec"),
        "--pidfile",
        join(folder, "bad.pid"),
        "--config-file",
        path,
        ...flags,
      ],
      { timeoutMs: 20_000 },
    );
    expect({ status: result.status === 0 || result.status === 137 ? result.stderr : "refused" }).toEqual({
      status: "refused",
    });
    return result.stderr;
  };
  test.each([
    ["for a key that is none", { bogus: 1 }, [], "bogus"],
    ["for JSON that is none", "{", [], "bad.json"],
    ["for a value of another type", { labels: "x" }, [], "labels"],
    ["for a bad address", { bip: "bogus" }, [], "bogus"],
    ["for a bad ulimit", { "default-ulimits": { nosuch: { Name: "nosuch", Soft: 1, Hard: 1 } } }, [], "nosuch"],
    ["for an unknown log driver", { "log-driver": "nosuch" }, [], "nosuch"],
    ["for an unknown log option", { "log-opts": { bogus: "1" } }, [], "bogus"],
    ["for an unknown runtime", { "default-runtime": "nosuch" }, [], "nosuch"],
    ["for a thing set twice", { labels: ["a=1"] }, ["--label", "b=2"], "labels"],
    ["for a flag that is none", {}, ["--nosuch"], "unknown flag: --nosuch"],
  ] as const)("%s", async (_what, config, flags, text) => {
    expect(await start(config, ...flags)).toContain(text);
  });
});
