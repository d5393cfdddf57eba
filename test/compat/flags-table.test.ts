import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { client, clientNames } from "../harness/clients.ts";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

/** Flags of run and create, and what inspect then says; compared with dockerd's answers by hand. */
const kept: readonly (readonly [flags: string, field: string, value: unknown])[] = [
  ["-i", ".Config.OpenStdin", true],
  ["-t", ".Config.Tty", true],
  ["--attach stdout", ".Config.AttachStderr", false],
  ["--env A=1", ".Config.Env", ["A=1"]],
  ["--workdir /x", ".Config.WorkingDir", "/x"],
  ["--user 5:6", ".Config.User", "5:6"],
  ["--entrypoint sh", ".Config.Entrypoint", ["sh"]],
  ["--hostname h1", ".Config.Hostname", "h1"],
  ["--domainname d1", ".Config.Domainname", "d1"],
  ["--stop-signal SIGINT", ".Config.StopSignal", "SIGINT"],
  ["--stop-timeout 3", ".Config.StopTimeout", 3],
  ["--expose 99", ".Config.ExposedPorts", { "99/tcp": {} }],
  ["--group-add 7", ".HostConfig.GroupAdd", ["7"]],
  ["--volume /tmp:/x:ro", ".HostConfig.Binds", ["/tmp:/x:ro"]],
  ["--tmpfs /x:size=1m", ".HostConfig.Tmpfs", { "/x": "size=1m" }],
  ["--read-only", ".HostConfig.ReadonlyRootfs", true],
  ["--cap-add SYS_ADMIN", ".HostConfig.CapAdd", ["CAP_SYS_ADMIN"]],
  ["--cap-drop ALL", ".HostConfig.CapDrop", ["ALL"]],
  ["--privileged", ".HostConfig.Privileged", true],
  ["--security-opt no-new-privileges", ".HostConfig.SecurityOpt", ["no-new-privileges"]],
  ["--ulimit nofile=10:20", ".HostConfig.Ulimits", [{ Name: "nofile", Hard: 20, Soft: 10 }]],
  ["--sysctl net.ipv4.ip_forward=1", ".HostConfig.Sysctls", { "net.ipv4.ip_forward": "1" }],
  [
    "--device /dev/null:/dev/x:r",
    ".HostConfig.Devices",
    [{ PathOnHost: "/dev/null", PathInContainer: "/dev/x", CgroupPermissions: "r" }],
  ],
  ["--device-cgroup-rule c~1:3~rwm", ".HostConfig.DeviceCgroupRules", ["c 1:3 rwm"]],
  ["--init", ".HostConfig.Init", true],
  ["--pid host", ".HostConfig.PidMode", "host"],
  ["--ipc shareable", ".HostConfig.IpcMode", "shareable"],
  ["--uts host", ".HostConfig.UTSMode", "host"],
  ["--cgroupns host", ".HostConfig.CgroupnsMode", "host"],
  ["--cgroup-parent /cp", ".HostConfig.CgroupParent", "/cp"],
  ["--userns host", ".HostConfig.UsernsMode", "host"],
  ["--shm-size 1m", ".HostConfig.ShmSize", 1_048_576],
  ["--memory 10m", ".HostConfig.Memory", 10_485_760],
  ["--memory 10m --memory-swap -1", ".HostConfig.MemorySwap", -1],
  ["--memory 10m --memory-reservation 6m", ".HostConfig.MemoryReservation", 6_291_456],
  ["--memory-swappiness 5", ".HostConfig.MemorySwappiness", 5],
  ["--cpus 0.5", ".HostConfig.NanoCpus", 500_000_000],
  ["--cpu-shares 5", ".HostConfig.CpuShares", 5],
  ["--cpu-quota 5000", ".HostConfig.CpuQuota", 5000],
  ["--cpu-period 50000", ".HostConfig.CpuPeriod", 50_000],
  ["--cpu-rt-period 5000", ".HostConfig.CpuRealtimePeriod", 5000],
  ["--cpuset-cpus 0", ".HostConfig.CpusetCpus", "0"],
  ["--cpuset-mems 0", ".HostConfig.CpusetMems", "0"],
  ["--pids-limit 5", ".HostConfig.PidsLimit", 5],
  ["--oom-kill-disable", ".HostConfig.OomKillDisable", true],
  ["--oom-score-adj 5", ".HostConfig.OomScoreAdj", 5],
  ["--restart on-failure:3", ".HostConfig.RestartPolicy", { Name: "on-failure", MaximumRetryCount: 3 }],
  ["--network none", ".HostConfig.NetworkMode", "none"],
  ["--publish 127.0.0.1::80/udp", ".HostConfig.PortBindings", { "80/udp": [{ HostIp: "127.0.0.1", HostPort: "" }] }],
  ["--publish-all", ".HostConfig.PublishAllPorts", true],
  ["--add-host a:1.2.3.4", ".HostConfig.ExtraHosts", ["a:1.2.3.4"]],
  ["--dns 1.1.1.1", ".HostConfig.Dns", ["1.1.1.1"]],
  ["--dns-search s", ".HostConfig.DnsSearch", ["s"]],
  ["--dns-option o", ".HostConfig.DnsOptions", ["o"]],
  ["--log-driver none", ".HostConfig.LogConfig.Type", "none"],
  ["--log-opt max-size=1m", ".HostConfig.LogConfig.Config", { "max-size": "1m" }],
  ["--runtime runc", ".HostConfig.Runtime", "runc"],
  ["--isolation default", ".HostConfig.Isolation", "default"],
  ["--annotation a=b", ".HostConfig.Annotations", { a: "b" }],
  ["--kernel-memory 50m", ".HostConfig.Memory", 0],
  ["--disable-content-trust", ".HostConfig.Privileged", false],
];

/** Flags that cannot be followed, and why: exit status 125 and the reason. */
const refused: readonly (readonly [flags: string, reason: RegExp])[] = [
  ["--blkio-weight-device bad", /bad format/],
  ["--device-cgroup-rule bad", /invalid device cgroup (rule )?format/],
  ["--gpus all", /could not select device driver/],
  ["--storage-opt size=1g", /storage-opt/],
  ["--isolation hyperv", /isolation/i],
  ["--cpu-rt-runtime 5", /rt|realtime/i],
  ["--mac-address bad", /invalid MAC address|not a valid mac address/i],
  ["--ip6 nonsense", /invalid|IPv6/i],
  ["--link-local-ip nonsense", /invalid|nonsense/i],
];

describe.each(clientNames)("%s", (name) => {
  const cli = (args: string[]) => client(daemon, name)(args);
  const words = (flags: string): string[] => flags.split(" ").map((word) => word.replaceAll("~", " "));

  test.each(kept)("create %s says %s = %p", async (flags, field, value) => {
    const made = await cli(["create", ...words(flags), "busybox", "true"]);
    expect(`${made.status} ${made.stderr.replace(/WARNING.*\n/g, "")}`).toBe("0 ");
    const id = made.stdout.trim();
    const shown = await cli(["inspect", "-f", `{{json ${field}}}`, id]);
    expect(JSON.parse(shown.stdout)).toEqual(value);
    await cli(["rm", "-v", id]);
  });

  test("--blkio-weight-device names a device that is there, or the kernel cannot, and that is said", async () => {
    const result = await cli(["run", "--rm", "--blkio-weight-device", "/dev/nosuch:100", "busybox", "true"]);
    expect(result.stderr).toMatch(/nosuch|does not support Block I\/O weight_device/);
  });

  test.each(refused)("run %s is refused with the reason", async (flags, reason) => {
    const result = await cli(["run", "--rm", ...words(flags), "busybox", "true"]);
    expect(result.stderr).toMatch(reason);
    expect(result.status).toBe(125);
    expect((await cli(["ps", "-aq"])).stdout).toBe("");
  });
});
