import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { client, clientNames } from "../harness/clients.ts";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";

let daemon: TestDaemon;
let folder: string;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  folder = await mkdtemp("/tmp/berth-f-");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const version1 = !(await Bun.file("/sys/fs/cgroup/cgroup.controllers").exists());
/** A block device of this machine, as the limits of devices need one. */
const disk = (await readdir("/sys/block")).find((name) => /^(vd|sd|nvme|xvd)/.test(name)) ?? "";

describe.each(clientNames)("%s run", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);
  const sh = async (flags: string[], line: string): Promise<string> => {
    const result = await cli(["run", "--rm", ...flags, "busybox", "sh", "-c", line]);
    return result.status === 0 ? result.stdout.trimEnd() : `status ${result.status}: ${result.stderr}${result.stdout}`;
  };
  /** A file of the container's own cgroup, by its name in v1 and in v2. */
  const cgroup = (one: string, two: string): string =>
    `cat ${version1 ? `/sys/fs/cgroup/${one}` : `/sys/fs/cgroup/${two}`}`;

  test.skipIf(disk === "")(
    `--device-read-bps and kin limit /dev/${disk}${disk === "" ? " (this machine has no disk)" : ""}`,
    async () => {
      const device = `/dev/${disk}`;
      const flags = [
        "--device-read-bps",
        `${device}:1mb`,
        "--device-write-bps",
        `${device}:2mb`,
        "--device-read-iops",
        `${device}:100`,
        "--device-write-iops",
        `${device}:200`,
      ];
      const number = (await Bun.file(`/sys/block/${disk}/dev`).text()).trim();
      const line = version1
        ? "cd /sys/fs/cgroup/blkio; cat blkio.throttle.read_bps_device blkio.throttle.write_bps_device blkio.throttle.read_iops_device blkio.throttle.write_iops_device"
        : "cat /sys/fs/cgroup/io.max";
      const expected = version1
        ? ["1048576", "2097152", "100", "200"].map((value) => `${number} ${value}`).join("\n")
        : `${number} rbps=1048576 wbps=2097152 riops=100 wiops=200`;
      expect(await sh(flags, line)).toBe(expected);
      const missing = await cli(["run", "--rm", "--device-read-bps", "/dev/nosuch:1mb", "busybox", "true"]);
      expect(missing.status).toBe(127); // as with docker: its text has "no such file or directory"
      expect(missing.stderr).toContain("/dev/nosuch");
    },
  );

  test("--blkio-weight is set, or the answer says that the kernel cannot", async () => {
    const result = await cli([
      "run",
      "--rm",
      "--blkio-weight",
      "300",
      "busybox",
      "sh",
      "-c",
      "cat /sys/fs/cgroup/blkio/blkio.weight /sys/fs/cgroup/io.weight 2>/dev/null; true",
    ]);
    expect(result.status).toBe(0);
    const weak = (await cli(["run", "--rm", "--blkio-weight", "5", "busybox", "true"])).stderr;
    if (result.stdout.includes("300")) expect(weak).toContain("Range of blkio weight is from 10 to 1000");
    else expect(result.stderr).toContain("Your kernel does not support Block I/O weight");
  });

  test("--memory-reservation, --memory-swap, --memory-swappiness and --oom-kill-disable reach the cgroup", async () => {
    expect(
      await sh(["-m", "40m", "--memory-reservation", "20m"], cgroup("memory/memory.soft_limit_in_bytes", "memory.low")),
    ).toBe("20971520");
    expect(
      await sh(["-m", "40m", "--memory-swap", "60m"], cgroup("memory/memory.memsw.limit_in_bytes", "memory.swap.max")),
    ).toBe(version1 ? "62914560" : "20971520");
    expect(
      await sh(["-m", "40m", "--memory-swap", "-1"], cgroup("memory/memory.memsw.limit_in_bytes", "memory.swap.max")),
    ).toMatch(/^(9223372036854771712|max)$/);
    if (version1) {
      expect(await sh(["--memory-swappiness", "10"], "cat /sys/fs/cgroup/memory/memory.swappiness")).toBe("10");
      expect(
        await sh(["-m", "40m", "--oom-kill-disable"], "grep oom_kill_disable /sys/fs/cgroup/memory/memory.oom_control"),
      ).toBe("oom_kill_disable 1");
    }
    expect((await cli(["run", "--rm", "-m", "10m", "--memory-swap", "7m", "busybox", "true"])).stderr).toContain(
      "Minimum memoryswap limit should be larger than memory limit",
    );
    expect((await cli(["run", "--rm", "--memory-swap", "50m", "busybox", "true"])).stderr).toContain(
      "You should always set the Memory limit when using Memoryswap limit",
    );
    expect(
      (await cli(["run", "--rm", "-m", "10m", "--memory-reservation", "20m", "busybox", "true"])).stderr,
    ).toContain("Minimum memory limit can not be less than memory reservation limit");
  });

  test("--cpu-quota, --cpu-period, --cpuset-cpus and --cpuset-mems reach the cgroup; CPUs that are not there are refused", async () => {
    const quota = await sh(
      ["--cpu-period", "50000", "--cpu-quota", "20000"],
      version1 ? "cd /sys/fs/cgroup/cpu; cat cpu.cfs_quota_us cpu.cfs_period_us" : "cat /sys/fs/cgroup/cpu.max",
    );
    expect(quota.split(/\s/)).toEqual(["20000", "50000"]);
    expect(
      await sh(["--cpuset-cpus", "0", "--cpuset-mems", "0"], "grep _allowed_list /proc/self/status | tr -s '\\t' ' '"),
    ).toBe("Cpus_allowed_list: 0\nMems_allowed_list: 0");
    const missing = await cli(["run", "--rm", "--cpuset-cpus", "1000", "busybox", "true"]);
    expect(missing.stderr).toContain("Requested CPUs are not available - requested 1000, available: 0");
    expect((await cli(["run", "--rm", "--cpus", "1000", "busybox", "true"])).stderr).toContain(
      "range of CPUs is from 0.01 to",
    );
    expect((await cli(["run", "--rm", "--cpus", "1", "--cpu-quota", "5000", "busybox", "true"])).stderr).toContain(
      "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
    );
  });

  test("--userns host, --cgroupns and --cgroup-parent choose namespaces and the cgroup", async () => {
    expect(await sh(["--userns", "host"], "readlink /proc/self/ns/user")).toBe(
      (await Bun.$`readlink /proc/self/ns/user`.text()).trim(),
    );
    expect(
      await sh(["--cgroupns", "private"], "grep -c ':/$' /proc/self/cgroup; grep -vc ':/$' /proc/self/cgroup; true"),
    ).toMatch(/^\d+\n0$/);
    const parent = `/berth-test-${name}-${process.pid}`;
    const lines = await sh(["--cgroupns", "host", "--cgroup-parent", parent], "cat /proc/self/cgroup");
    expect(lines).toMatch(new RegExp(`:${parent}/[0-9a-f]{64}`));
    for (const controller of version1
      ? (await readdir("/sys/fs/cgroup")).map((one) => `/sys/fs/cgroup/${one}`)
      : ["/sys/fs/cgroup"]) {
      await Bun.$`rmdir ${controller}${parent}`.quiet().nothrow();
    }
    expect((await cli(["run", "--rm", "--cgroupns", "bogus", "busybox", "true"])).status).toBe(125);
  });

  test("--link gives the other's variables and its names in /etc/hosts", async () => {
    const c = `${name}-db`;
    await cli(["run", "-d", "--name", c, "-e", "PASSWORD=x=y", "--expose", "5432", "busybox", "sleep", "600"]);
    const ip = await daemon.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", c);
    const env = (await sh(["--name", `${name}-web`, "--link", `${c}:db`], "env | grep ^DB_ | sort")).split("\n");
    expect(env).toEqual([
      `DB_ENV_PASSWORD=x=y`,
      `DB_NAME=/${name}-web/db`,
      `DB_PORT=tcp://${ip}:5432`,
      `DB_PORT_5432_TCP=tcp://${ip}:5432`,
      `DB_PORT_5432_TCP_ADDR=${ip}`,
      "DB_PORT_5432_TCP_PORT=5432",
      "DB_PORT_5432_TCP_PROTO=tcp",
    ]);
    expect(
      await sh(
        ["--link", `${c}:db`],
        "grep '[[:space:]]db' /etc/hosts | cut -f1; ping -c1 -w2 db > /dev/null && echo reached",
      ),
    ).toBe(`${ip}\nreached`);
    const missing = await cli(["run", "--rm", "--link", "nosuch:db", "busybox", "true"]);
    expect(missing.stderr).toContain("could not get container for nosuch");
    await cli(["rm", "-f", c]);
  });

  test("--volumes-from takes the other's volumes, read-only if it is told so", async () => {
    const c = `${name}-data`;
    await cli(["create", "--name", c, "-v", "/data", "-v", `${folder}:/host`, "busybox", "true"]);
    await writeFile(join(folder, "seen"), "by both\n");
    expect(await sh(["--volumes-from", c], "echo kept > /data/x; cat /host/seen")).toBe("by both");
    expect(await sh(["--volumes-from", `${c}:ro`], "cat /data/x; touch /data/y 2>&1 || true")).toMatch(
      /^kept\n.*Read-only file system/,
    );
    expect((await cli(["run", "--rm", "--volumes-from", "nosuch", "busybox", "true"])).stderr).toContain(
      "No such container: nosuch",
    );
    expect((await cli(["run", "--rm", "--volumes-from", `${c}:bogus`, "busybox", "true"])).stderr).toContain("bogus");
    await cli(["rm", "-v", c]);
  });

  test("-P publishes every exposed port, and ps shows ranges as one", async () => {
    const c = `${name}-ports`;
    await cli([
      "run",
      "-d",
      "--name",
      c,
      "-P",
      "--expose",
      "7000-7001",
      "--expose",
      "7002/udp",
      "busybox",
      "sleep",
      "600",
    ]);
    const ports = (await cli(["port", c])).stdout;
    expect(ports).toMatch(/7000\/tcp -> 0\.0\.0\.0:\d+/);
    expect(ports).toMatch(/7001\/tcp -> 0\.0\.0\.0:\d+/);
    expect(ports).toMatch(/7002\/udp -> 0\.0\.0\.0:\d+/);
    await cli(["rm", "-f", c]);
    await cli([
      "run",
      "-d",
      "--name",
      c,
      "--expose",
      "9000",
      "-p",
      "127.0.0.1:28700-28703:28700-28703",
      "busybox",
      "sleep",
      "600",
    ]);
    expect((await cli(["ps", "-f", `name=${c}`, "--format", "{{.Ports}}"])).stdout).toBe(
      "9000/tcp, 127.0.0.1:28700-28703->28700-28703/tcp\n",
    );
    expect((await cli(["port", c, "9000"])).stderr).toMatch(
      new RegExp(`no public port '9000' published for ${c}`, "i"),
    );
    await cli(["rm", "-f", c]);
  });

  test("--dns-option, --platform and --pull", async () => {
    expect(await sh(["--dns", "10.9.9.9", "--dns-option", "ndots:3"], "cat /etc/resolv.conf")).toContain(
      "options ndots:3",
    );
    expect(await sh(["--platform", "linux/amd64"], "echo fits")).toBe(
      process.arch === "x64" ? "fits" : expect.stringContaining("125"),
    );
    expect(await sh(["--pull", "never"], "echo here")).toBe("here");
    expect(await sh(["--pull", "missing"], "echo here")).toBe("here");
    const never = await cli(["run", "--rm", "--pull", "never", "nosuch", "true"]);
    expect(never).toMatchObject({ status: 125, stdout: "" });
    expect(never.stderr).toContain("No such image: nosuch:latest");
    const bogus = await cli(["run", "--rm", "--pull", "bogus", "busybox", "true"]);
    expect(bogus.stderr).toContain(`invalid pull option: 'bogus': must be one of "always", "missing" or "never"`);
  });

  test.each(["crun", "runc"])("--runtime %s runs, execs and stops", async (runtime) => {
    const c = `${name}-${runtime}`;
    expect(
      (
        await cli([
          "run",
          "-d",
          "--name",
          c,
          "--runtime",
          runtime,
          "busybox",
          "sh",
          "-c",
          "trap 'exit 4' TERM; while :; do sleep 0.05; done",
        ])
      ).status,
    ).toBe(0);
    expect((await cli(["exec", c, "echo", "in it"])).stdout).toBe("in it\n");
    expect(await daemon.ok("inspect", "-f", "{{.HostConfig.Runtime}}", c)).toBe(runtime);
    await cli(["stop", c]);
    expect(await daemon.ok("inspect", "-f", "{{.State.ExitCode}}", c)).toBe("4");
    await cli(["rm", c]);
    for (const [program, status] of [
      ["/nope", 127],
      ["nope", 127],
      ["/etc", 126],
      ["/etc/passwd", 126],
    ] as const) {
      expect({
        program,
        status: (await cli(["run", "--rm", "--runtime", runtime, "busybox", program])).status,
      }).toEqual({ program, status });
    }
  });

  test("--security-opt systempaths=unconfined and seccomp=FILE", async () => {
    expect(await sh(["--security-opt", "systempaths=unconfined"], "grep -c ' /proc/' /proc/self/mountinfo; true")).toBe(
      "0",
    );
    expect(Number(await sh([], "grep -c ' /proc/' /proc/self/mountinfo"))).toBeGreaterThan(3);
    const profile = join(folder, `${name}.json`);
    await writeFile(
      profile,
      JSON.stringify({
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }],
      }),
    );
    expect(await sh(["--security-opt", `seccomp=${profile}`], "mkdir /x 2>&1 || true; touch /y && echo made")).toMatch(
      /Operation not permitted\nmade$/,
    );
    await writeFile(profile, "{");
    expect((await cli(["run", "--rm", "--security-opt", `seccomp=${profile}`, "busybox", "true"])).status).toBe(125);
    expect((await cli(["run", "--rm", "--security-opt", "seccomp=/nosuch", "busybox", "true"])).stderr).toContain(
      "/nosuch",
    );
    expect((await cli(["run", "--rm", "--security-opt", "bogus", "busybox", "true"])).stderr).toContain("bogus");
  });

  test("--device modes and --device-cgroup-rule", async () => {
    expect(
      await sh(["--device", "/dev/fuse:/dev/x:r"], "(: < /dev/x) && echo read; (: > /dev/x) 2>&1 || true"),
    ).toMatch(/^read\n.*Operation not permitted/);
    expect(
      await sh(
        ["--device-cgroup-rule", "c 10:229 rwm", "--cap-add", "MKNOD"],
        "mknod /dev/f c 10 229; (: < /dev/f) && echo open",
      ),
    ).toBe("open");
    expect((await cli(["run", "--rm", "--device-cgroup-rule", "bogus", "busybox", "true"])).stderr).toContain(
      "invalid device cgroup format 'bogus'",
    );
    expect((await cli(["run", "--rm", "--device", "/dev/nosuch", "busybox", "true"])).stderr).toContain("/dev/nosuch");
  });

  test("--group-add takes names of the image, and names that are not there are told", async () => {
    const group = await sh([], "sed -n '2s/:.*//p' /etc/group");
    expect(await sh(["--group-add", group], "id -nG")).toContain(group);
    expect((await cli(["run", "--rm", "--group-add", "nosuch", "busybox", "true"])).stderr).toContain(
      "Unable to find group nosuch: no matching entries in group file",
    );
    expect((await cli(["run", "--rm", "-u", "nosuch", "busybox", "true"])).stderr).toContain(
      "unable to find user nosuch: no matching entries in passwd file",
    );
    expect((await cli(["run", "--rm", "-u", "0:nosuch", "busybox", "true"])).stderr).toContain(
      "unable to find group nosuch: no matching entries in group file",
    );
  });

  test("--stop-timeout is how long stop waits", async () => {
    const c = `${name}-deaf`;
    await cli([
      "run",
      "-d",
      "--name",
      c,
      "--stop-timeout",
      "1",
      "busybox",
      "sh",
      "-c",
      "trap '' TERM; while :; do sleep 0.05; done",
    ]);
    await until("the trap is set", async () =>
      /SigIgn:\s*0*4\d\d\d$/m.test(
        await readFile(`/proc/${await daemon.ok("inspect", "-f", "{{.State.Pid}}", c)}/status`, "utf8"),
      ),
    );
    const started = Date.now();
    await cli(["stop", c]);
    expect(Date.now() - started).toBeGreaterThan(900);
    expect(Date.now() - started).toBeLessThan(6000);
    expect(await daemon.ok("inspect", "-f", "{{.State.ExitCode}}", c)).toBe("137");
    await cli(["rm", c]);
  });

  test("--no-healthcheck, and the times of health checks are kept", async () => {
    const c = `${name}-times`;
    await cli([
      "create",
      "--name",
      c,
      "--health-cmd",
      "true",
      "--health-interval",
      "2s",
      "--health-timeout",
      "3s",
      "--health-retries",
      "4",
      "--health-start-period",
      "5s",
      "--health-start-interval",
      "6s",
      "busybox",
      "true",
    ]);
    expect(JSON.parse(await daemon.ok("inspect", "-f", "{{json .Config.Healthcheck}}", c))).toEqual({
      Test: ["CMD-SHELL", "true"],
      Interval: 2e9,
      Timeout: 3e9,
      Retries: 4,
      StartPeriod: 5e9,
      StartInterval: 6e9,
    });
    await cli(["rm", c]);
    await cli(["create", "--name", c, "--no-healthcheck", "busybox", "true"]);
    expect(await daemon.ok("inspect", "-f", "{{json .Config.Healthcheck.Test}}", c)).toBe('["NONE"]');
    await cli(["rm", c]);
    expect((await cli(["run", "--rm", "--no-healthcheck", "--health-cmd", "x", "busybox", "true"])).stderr).toContain(
      "--no-healthcheck conflicts with --health-* options",
    );
    expect(
      (await cli(["run", "--rm", "--health-cmd", "x", "--health-interval", "1us", "busybox", "true"])).stderr,
    ).toContain("Interval in Healthcheck cannot be less than 1ms");
  });

  test("during --health-start-period failures do not count", async () => {
    const c = `${name}-starting`;
    await cli([
      "run",
      "-d",
      "--name",
      c,
      "--health-cmd",
      "false",
      "--health-interval",
      "50ms",
      "--health-start-interval",
      "50ms",
      "--health-retries",
      "1",
      "--health-start-period",
      "60s",
      "busybox",
      "sleep",
      "600",
    ]);
    await until(
      "three probes",
      async () => Number(await daemon.ok("inspect", "-f", "{{len .State.Health.Log}}", c)) >= 3,
    );
    expect(await daemon.ok("inspect", "-f", "{{.State.Health.Status}} {{.State.Health.FailingStreak}}", c)).toBe(
      "starting 0",
    );
    await cli(["rm", "-f", c]);
  });
});
