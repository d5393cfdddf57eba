import { expect, test } from "bun:test";
import { unlimited } from "../../spec/oci/runtime.ts";
import type { CreateRequest } from "../containers.ts";
import { testContainer } from "../create/request.fixture.ts";
import { buildResources } from "./cgroup.ts";
import type { GatheredDevices } from "./devices.ts";
import type { SpecHost } from "./host.ts";
import { buildExecProcess } from "./process.ts";
import { buildSeccomp, buildSpec, type SpecInput } from "./spec.ts";

const host: SpecHost = {
  arch: "amd64",
  kernel: "6.18.0",
  cgroupVersion: 1,
  canRaiseLimits: true,
  hardLimits: { RLIMIT_NOFILE: 20000 },
  oomScoreAdj: 0,
  recursiveReadOnly: true,
  pingGroupRange: true,
  unprivilegedPortStart: true,
  apparmor: false,
};
const root = { uid: 0, gid: 0, additionalGids: [0, 10], home: "/root" };
const noDevices: GatheredDevices = { nodes: [], rules: [], all: false, numbers: new Map() };

function build(
  request: CreateRequest,
  change: Partial<SpecInput> & { others?: Parameters<typeof testContainer>[1] } = {},
) {
  const container = testContainer(request, { rootfs: "/r", folder: "/c", ...change.others });
  const seccomp = buildSeccomp(container.plan, host);
  return buildSpec({
    container,
    user: root,
    namespacePaths: { network: "/run/netns/x" },
    sources: new Map(),
    shmPath: "",
    initPath: "/usr/bin/init",
    linkEnv: [],
    devices: noDevices,
    sourceMounts: { rootfs: undefined, privateTargets: new Set(), flags: new Map(), files: new Set() },
    host,
    seccomp,
    ...change,
  });
}

test("the default spec is Docker's (golden)", () => {
  const { spec, warnings } = build({ Cmd: ["sleep", "3600"] });
  const { seccomp, ...linux } = spec.linux;
  expect(warnings).toEqual([]);
  expect(seccomp).toMatchObject({ defaultAction: "SCMP_ACT_ERRNO" });
  const capabilities = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
  ].map((name) => `CAP_${name}`);
  // dockerd 20.10's config.json of `docker run busybox sleep 3600`, with the paths of 28.5 and our names
  expect({ ...spec, linux }).toEqual({
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0, additionalGids: [0, 10] },
      args: ["sleep", "3600"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=0123456789ab", "HOME=/root"],
      cwd: "/",
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: false,
      oomScoreAdj: 0,
    },
    root: { path: "/r", readonly: false },
    hostname: "0123456789ab",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
      {
        destination: "/dev",
        type: "tmpfs",
        source: "tmpfs",
        options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
      },
      {
        destination: "/dev/pts",
        type: "devpts",
        source: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
      },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
      { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", "nosuid", "noexec", "nodev"] },
      { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
      {
        destination: "/dev/shm",
        type: "tmpfs",
        source: "shm",
        options: ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"],
      },
      { destination: "/etc/resolv.conf", type: "bind", source: "/c/resolv.conf", options: ["rbind", "rprivate"] },
      { destination: "/etc/hostname", type: "bind", source: "/c/hostname", options: ["rbind", "rprivate"] },
      { destination: "/etc/hosts", type: "bind", source: "/c/hosts", options: ["rbind", "rprivate"] },
    ],
    linux: {
      namespaces: [
        { type: "mount" },
        { type: "network", path: "/run/netns/x" },
        { type: "uts" },
        { type: "pid" },
        { type: "ipc" },
      ],
      devices: [],
      resources: {
        devices: [
          { allow: false, access: "rwm" },
          ...[
            [1, 5],
            [1, 3],
            [1, 9],
            [1, 8],
            [5, 0],
            [5, 1],
          ].map(([major, minor]) => ({ allow: true, type: "c", major, minor, access: "rwm" })),
          { allow: false, type: "c", major: 10, minor: 229, access: "rwm" },
        ],
      },
      cgroupsPath: `/berth/${"0123456789abcdef".repeat(4)}`,
      sysctl: { "net.ipv4.ping_group_range": "0 2147483647", "net.ipv4.ip_unprivileged_port_start": "0" },
      maskedPaths: expect.arrayContaining([
        "/proc/kcore",
        "/proc/keys",
        "/proc/interrupts",
        "/sys/firmware",
        "/sys/devices/virtual/powercap",
      ]),
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
  } as never);
});

test("resources are written in v1's units, only those that are set", () => {
  const numbers = new Map([["/dev/a", { major: 8, minor: 16 }]]);
  const resources = (HostConfig: CreateRequest["HostConfig"]) => {
    const { devices: _, ...rest } = build({ HostConfig }, { devices: { ...noDevices, numbers } }).spec.linux.resources;
    return rest;
  };
  expect(resources({ Memory: 64e6, MemoryReservation: 32e6, MemorySwappiness: 0, OomKillDisable: true })).toEqual({
    memory: { limit: 64e6, swap: 128e6, reservation: 32e6, swappiness: 0, disableOOMKiller: true },
  });
  expect(resources({ NanoCpus: 15e8 })).toEqual({ cpu: { period: 100000, quota: 150000 } });
  expect(resources({ CpuShares: 512, CpuPeriod: 50000, CpuQuota: -1, CpusetCpus: "0", CpusetMems: "0" })).toEqual({
    cpu: { shares: 512, period: 50000, cpus: "0", mems: "0" },
  });
  expect(resources({ PidsLimit: 99 })).toEqual({ pids: { limit: 99 } });
  expect(resources({ PidsLimit: -1 })).toEqual({});
  expect(
    resources({
      BlkioWeight: 300,
      BlkioWeightDevice: [{ Path: "/dev/a", Weight: 20 }],
      BlkioDeviceReadBps: [{ Path: "/dev/a", Rate: 7 }],
      BlkioDeviceWriteIOps: [{ Path: "/dev/a", Rate: 8 }],
    }),
  ).toEqual({
    blockIO: {
      weight: 300,
      weightDevice: [{ major: 8, minor: 16, weight: 20 }],
      throttleReadBpsDevice: [{ major: 8, minor: 16, rate: 7 }],
      throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 8 }],
    },
  });
});

test("an update writes what is no longer limited", () => {
  const { plan } = testContainer({ HostConfig: { Memory: 64e6, PidsLimit: 5, CpuQuota: 20000 } });
  const after = { ...plan.resources, pids: 0, memorySwap: -1, cpuQuotaUs: -1 };
  expect(buildResources(after, host, new Map(), { previous: plan.resources })).toEqual({
    memory: { limit: 64e6, swap: -1 },
    cpu: { quota: 17592186044415 },
    pids: { limit: 4194304 },
  });
  expect(buildResources(after, host, new Map(), { previous: after })).toEqual({ memory: { limit: 64e6 } });
});

test("a mount of the user takes the place of ours, and one at /dev those below", () => {
  const targets = (HostConfig: CreateRequest["HostConfig"]) => {
    const sources = new Map([
      ["/dev", "/d"],
      ["/etc/hosts", "/h"],
      ["/etc", "/e"],
      ["/sys/fs/cgroup", "/s"],
    ]);
    return build({ HostConfig }, { sources }).spec.mounts.map(({ destination, source }) => `${destination}<${source}`);
  };
  expect(targets({ Binds: ["/d:/dev"] }).filter((row) => row.startsWith("/dev"))).toEqual(["/dev</d"]);
  expect(targets({ Binds: ["/h:/etc/hosts", "/e:/etc"] }).filter((row) => row.startsWith("/etc"))).toEqual([
    "/etc</e",
    "/etc/hosts</h",
    "/etc/resolv.conf</c/resolv.conf",
    "/etc/hostname</c/hostname",
  ]);
  expect(targets({ Binds: ["/s:/sys/fs/cgroup"] })).not.toContain("/sys/fs/cgroup<cgroup");
  expect(targets({ IpcMode: "none" }).join()).not.toContain("/dev/shm");
});

test("user mounts carry read-only, recursion and propagation", () => {
  const sources = new Map(["/a", "/b", "/c", "/d", "/v", "/i"].map((target) => [target, `/host${target}`]));
  const { mounts } = build(
    {
      HostConfig: {
        Binds: ["/a:/a:ro", "/b:/b:rslave", "v:/v:ro"],
        Mounts: [
          {
            Type: "bind",
            Source: "/c",
            Target: "/c",
            ReadOnly: true,
            BindOptions: { NonRecursive: true, ReadOnlyNonRecursive: true },
          },
          { Type: "image", Source: "x", Target: "/i" },
          { Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 4096, Mode: 0o700 } },
        ],
        Tmpfs: { "/exec": "exec,size=1m,ro,rw" },
      },
    },
    { sources },
  ).spec;
  const options = Object.fromEntries(mounts.map((mount) => [mount.destination, mount.options]));
  expect(options["/a"]).toEqual(["rbind", "rro", "rprivate"]);
  expect(options["/b"]).toEqual(["rbind", "rslave"]);
  expect(options["/c"]).toEqual(["bind", "ro", "rprivate"]);
  expect(options["/v"]).toEqual(["rbind", "rro", "rprivate"]);
  expect(options["/i"]).toEqual(["rbind", "rro", "rprivate"]);
  expect(options["/t"]).toEqual(["noexec", "nosuid", "nodev", "rprivate", "mode=700", "size=4096"]);
  expect(options["/exec"]).toEqual(["nosuid", "nodev", "rprivate", "exec", "size=1m", "rw"]);
  expect(() => build({ HostConfig: { Tmpfs: { "/t": "size=1m,nonsense" } } })).toThrow(
    'invalid tmpfs option ["nonsense"]',
  );
  // comma-separated options cannot smuggle in what the kernel would read as another mount's
  expect(() => build({ HostConfig: { Tmpfs: { "/t": "lowerdir=/" } } })).toThrow("invalid tmpfs option");
});

test("privileged: all devices, no hidden paths, writable /sys and cgroups, no filter", () => {
  const { spec } = build(
    { HostConfig: { Privileged: true } },
    { devices: { ...noDevices, all: true, rules: [{ allow: true, access: "rwm" }] } },
  );
  expect(spec.linux).toMatchObject({
    maskedPaths: [],
    readonlyPaths: [],
    resources: { devices: [{ allow: true, access: "rwm" }] },
  });
  expect(spec.linux.seccomp).toBeUndefined();
  expect(
    spec.mounts
      .filter(({ destination }) => destination.startsWith("/sys"))
      .map(({ options }) => options.includes("ro")),
  ).toEqual([false, false]);
  expect(spec.process.capabilities.bounding).toContain("CAP_SYS_ADMIN");
});

test("namespaces of the host are left out, those of others joined", () => {
  const kinds = (HostConfig: CreateRequest["HostConfig"], change: Partial<SpecInput> = {}) =>
    build({ HostConfig }, change).spec.linux.namespaces.map(({ type, path }) => (path ? `${type}:${path}` : type));
  expect(
    kinds({ NetworkMode: "host", PidMode: "host", IpcMode: "host", UTSMode: "host" }, { shmPath: "/dev/shm" }),
  ).toEqual(["mount"]);
  expect(kinds({ CgroupnsMode: "private" })).toContain("cgroup");
  const joined = build(
    { HostConfig: { PidMode: "container:o", IpcMode: "container:o" } },
    {
      others: { others: [testContainer({}, { id: "o" })] },
      namespacePaths: { network: "/n", pid: "/proc/7/ns/pid", ipc: "/proc/7/ns/ipc" },
      shmPath: "/their/shm",
    },
  ).spec;
  expect(joined.linux.namespaces).toContainEqual({ type: "pid", path: "/proc/7/ns/pid" });
  expect(joined.linux.namespaces).toContainEqual({ type: "ipc", path: "/proc/7/ns/ipc" });
  expect(joined.mounts).toContainEqual({
    destination: "/dev/shm",
    type: "bind",
    source: "/their/shm",
    options: ["rbind", "rprivate"],
  });
  expect(() => build({ HostConfig: { PidMode: "container:o" } })).toThrow("has no path");
});

test("sysctls of the network are set only in a namespace of the container's own", () => {
  const sysctl = (request: CreateRequest) => build(request).spec.linux.sysctl;
  expect(sysctl({ HostConfig: { NetworkMode: "host" } })).toEqual({});
  expect(
    sysctl({ HostConfig: { Sysctls: { "net.ipv4.ip_unprivileged_port_start": "1024" } } })[
      "net.ipv4.ip_unprivileged_port_start"
    ],
  ).toBe("1024");
  expect(sysctl({ Domainname: "example.org" })["kernel.domainname"]).toBe("example.org");
});

test("the init is mounted and put in front", () => {
  const { spec } = build({ Cmd: ["app", "-x"], HostConfig: { Init: true } });
  expect(spec.process.args).toEqual(["/sbin/docker-init", "--", "app", "-x"]);
  expect(spec.mounts).toContainEqual({
    destination: "/sbin/docker-init",
    type: "bind",
    source: "/usr/bin/init",
    options: ["bind", "ro"],
  });
});

test("limits that this engine may not give are cut with a warning", () => {
  const request = {
    HostConfig: {
      OomScoreAdj: -500,
      Ulimits: [
        { Name: "nofile", Soft: 30000, Hard: 40000 },
        { Name: "core", Soft: -1, Hard: -1 },
      ],
    },
  };
  const { spec, warnings } = build(request, { host: { ...host, canRaiseLimits: false } });
  expect(spec.process.rlimits).toEqual([
    { type: "RLIMIT_NOFILE", soft: 20000, hard: 20000 },
    { type: "RLIMIT_CORE", soft: unlimited, hard: unlimited },
  ]);
  expect(spec.process.oomScoreAdj).toBe(0);
  expect(warnings).toHaveLength(2);
  expect(build(request).spec.process).toMatchObject({ oomScoreAdj: -500, rlimits: [{ soft: 30000, hard: 40000 }, {}] });
  expect(JSON.stringify(spec)).toContain(
    '{"type":"RLIMIT_CORE","soft":18446744073709551615,"hard":18446744073709551615}',
  );
});

test("annotations go through, but nobody else speaks to the runtime", () => {
  const HostConfig = { Annotations: { "run.oci.seccomp_bpf_data": "evil", "run.oci.hooks.stdout": "/x", mine: "1" } };
  expect(build({ HostConfig }).spec.annotations).toEqual({ mine: "1" });
  expect(build({ HostConfig }, { seccompBpf: "QUJD" }).spec.annotations).toEqual({
    mine: "1",
    "run.oci.seccomp_bpf_data": "QUJD",
  });
});

test("no parent leads a cgroup out of the hierarchy", () => {
  const path = (CgroupParent: string) =>
    build({ HostConfig: { CgroupParent } }).spec.linux.cgroupsPath.replace(/[0-9a-f]{64}/, "ID");
  expect(path("")).toBe("/berth/ID");
  expect(path("/team/a")).toBe("/team/a/ID");
  expect(path("../../../etc")).toBe("/etc/ID");
});

test("an exec is the container's process with its own words", () => {
  const container = testContainer({
    Env: ["A=1", "B=2"],
    WorkingDir: "/srv",
    HostConfig: { Ulimits: [{ Name: "nofile", Soft: 10, Hard: 20 }], SecurityOpt: ["no-new-privileges"] },
  });
  const request = {
    args: ["id"],
    env: ["B=3", "A", "C=4"],
    user: "",
    workingDir: "",
    tty: true,
    privileged: false,
    attachStdin: false,
    attachStdout: true,
    attachStderr: true,
    detachKeys: "",
    size: { rows: 30, columns: 90 },
  };
  const process = buildExecProcess(container, request, { user: root, host });
  expect(process).toMatchObject({
    args: ["id"],
    cwd: "/srv",
    terminal: true,
    consoleSize: { height: 30, width: 90 },
    noNewPrivileges: true,
    rlimits: [{ type: "RLIMIT_NOFILE", soft: 10, hard: 20 }],
  });
  expect(process.env.slice(1)).toEqual(["HOSTNAME=0123456789ab", "B=3", "TERM=xterm", "C=4", "HOME=/root"]);
  expect(process.capabilities.bounding).toHaveLength(14);
  const privileged = buildExecProcess(
    container,
    { ...request, privileged: true, tty: false, workingDir: "/tmp" },
    { user: root, host },
  );
  expect(privileged.capabilities.bounding).toContain("CAP_SYS_ADMIN");
  expect(privileged).toMatchObject({ cwd: "/tmp", terminal: false });
  expect(privileged.consoleSize).toBeUndefined();
  expect(() =>
    buildExecProcess(container, { ...request, workingDir: "/proc/self/fd/8" }, { user: root, host }),
  ).toThrow("leads out of the container");
  expect(() => buildExecProcess(container, { ...request, env: ["=x"] }, { user: root, host })).toThrow(
    "invalid environment variable: =x",
  );
});
