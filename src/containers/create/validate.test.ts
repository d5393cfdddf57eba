import { expect, test } from "bun:test";
import { EngineError, errorMessage } from "../../base/errors.ts";
import type { CreateRequest } from "../containers.ts";
import { checkBindSources } from "./mounts/mounts.ts";
import { normalized, testContainer } from "./request.fixture.ts";

const others = [testContainer({}, { id: "c".repeat(64), name: "other" })];
const container = { NetworkMode: "container:other" } as const;

const failure = (promise: Promise<unknown>): Promise<string> => promise.then(() => "it did not fail", errorMessage);

/** What goes wrong, and the words Docker 28.5 has for it. */
const refused: readonly (readonly [what: string, request: CreateRequest, text: string])[] = [
  [
    "AutoRemove with a restart policy",
    { HostConfig: { AutoRemove: true, RestartPolicy: { Name: "always" } } },
    "can't create 'AutoRemove' container with restart policy",
  ],
  ["little memory", { HostConfig: { Memory: 6 * 1024 * 1024 - 1 } }, "Minimum memory limit allowed is 6MB"],
  ["negative memory", { HostConfig: { Memory: -1 } }, "Minimum memory limit allowed is 6MB"],
  [
    "swap below memory",
    { HostConfig: { Memory: 64e6, MemorySwap: 32e6 } },
    "Minimum memoryswap limit should be larger than memory limit, see usage",
  ],
  [
    "swap without memory",
    { HostConfig: { MemorySwap: 64e6 } },
    "You should always set the Memory limit when using Memoryswap limit, see usage",
  ],
  [
    "swappiness",
    { HostConfig: { MemorySwappiness: 101 } },
    "Invalid value: 101, valid memory swappiness range is 0-100",
  ],
  [
    "a reservation above memory",
    { HostConfig: { Memory: 10e6, MemoryReservation: 20e6 } },
    "Minimum memory limit can not be less than memory reservation limit, see usage",
  ],
  [
    "more CPUs than there are",
    { HostConfig: { NanoCpus: 3e9 } },
    "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
  ],
  [
    "nano CPUs and a period",
    { HostConfig: { NanoCpus: 1e9, CpuPeriod: 100000 } },
    "Conflicting options: Nano CPUs and CPU Period cannot both be set",
  ],
  [
    "nano CPUs and a quota",
    { HostConfig: { NanoCpus: 1e9, CpuQuota: 100000 } },
    "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
  ],
  [
    "a tiny period",
    { HostConfig: { CpuPeriod: 10 } },
    "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
  ],
  ["a tiny quota", { HostConfig: { CpuQuota: 10 } }, "CPU cfs quota can not be less than 1ms (i.e. 1000)"],
  ["negative shares", { HostConfig: { CpuShares: -1 } }, "invalid CPU shares (-1): value must be a positive integer"],
  [
    "CPUs that are not there",
    { HostConfig: { CpusetCpus: "0-5" } },
    "Requested CPUs are not available - requested 0-5, available: 0-1",
  ],
  ["a broken CPU list", { HostConfig: { CpusetCpus: "1-" } }, "Invalid value 1- for cpuset cpus"],
  ["block weight", { HostConfig: { BlkioWeight: 5 } }, "Range of blkio weight is from 10 to 1000"],
  ["real-time CPU", { HostConfig: { CpuRealtimeRuntime: 1000 } }, "kernel does not support CPU real-time scheduler"],
  ["a fraction", { HostConfig: { Memory: 1e8 + 0.5 } }, "invalid value for Memory: 100000000.5 is not a whole number"],
  [
    "a port beyond 65535",
    { HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "99999" }] } } },
    'invalid port specification: "99999"',
  ],
  [
    "a container port that is none",
    { HostConfig: { PortBindings: { "abc/tcp": [{ HostPort: "80" }] } } },
    'invalid port specification: "abc"',
  ],
  [
    "a host address that is none",
    { HostConfig: { PortBindings: { "80/tcp": [{ HostIp: "localhost", HostPort: "80" }] } } },
    'invalid host IP address in port binding: "localhost"',
  ],
  ["an unknown capability", { HostConfig: { CapAdd: ["CAP_NOPE"] } }, 'invalid CapAdd: unknown capability: "CAP_NOPE"'],
  ["a variable without a name", { Env: ["=x"] }, "invalid environment variable: =x"],
  ["a NUL in the environment", { Env: ["A=\0"] }, "invalid environment variable: contains a NUL byte"],
  [
    "a relative working directory",
    { WorkingDir: "rel" },
    "the working directory 'rel' is invalid, it needs to be an absolute path",
  ],
  [
    "a hostname with a container's network",
    { Hostname: "x", HostConfig: container },
    "conflicting options: hostname and the network mode",
  ],
  [
    "dns with a container's network",
    { HostConfig: { ...container, Dns: ["1.1.1.1"] } },
    "conflicting options: dns and the network mode",
  ],
  [
    "hosts with a container's network",
    { HostConfig: { ...container, ExtraHosts: ["a:1.1.1.1"] } },
    "conflicting options: custom host-to-IP mapping and the network mode",
  ],
  [
    "ports with a container's network",
    { HostConfig: { ...container, PublishAllPorts: true } },
    "conflicting options: port publishing and the container type network mode",
  ],
  [
    "expose with a container's network",
    { ExposedPorts: { "80/tcp": {} }, HostConfig: container },
    "conflicting options: port exposing and the container type network mode",
  ],
  [
    "links with a container's network",
    { HostConfig: { ...container, Links: ["a"] } },
    "conflicting options: container type network can't be used with links. This would result in undefined behavior",
  ],
  [
    "a container's network without a container",
    { HostConfig: { NetworkMode: "container:" } },
    "invalid network mode: invalid container format container:<name|id>",
  ],
  [
    "links with the host's network",
    { HostConfig: { NetworkMode: "host", Links: ["a"] } },
    "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
  ],
  [
    "a hostname with the host's UTS",
    { Hostname: "x", HostConfig: { UTSMode: "host" } },
    "conflicting options: hostname and the UTS mode",
  ],
  [
    "an address on the default network",
    { NetworkingConfig: { EndpointsConfig: { default: { IPAMConfig: { IPv4Address: "172.17.0.9" } } } } },
    "invalid config for network bridge: invalid endpoint settings:\nuser-specified IP address is supported on user-defined networks only",
  ],
  [
    "two mistakes at one endpoint",
    {
      HostConfig: { NetworkMode: "net" },
      NetworkingConfig: { EndpointsConfig: { net: { IPAMConfig: { IPv4Address: "1.2.3", IPv6Address: "x" } } } },
    },
    "invalid config for network net: invalid endpoint settings:\n* invalid IPv4 address: 1.2.3\n* invalid IPv6 address: x",
  ],
  [
    "a second network beside the host's",
    { HostConfig: { NetworkMode: "host" }, NetworkingConfig: { EndpointsConfig: { host: {}, net: {} } } },
    "container sharing network namespace with another container or host cannot be connected to any other network",
  ],
  [
    "a short health interval",
    { Healthcheck: { Test: ["CMD", "true"], Interval: 1000 } },
    "Interval in Healthcheck cannot be less than 1ms",
  ],
  [
    "a short health start interval",
    { Healthcheck: { Test: ["CMD", "true"], StartInterval: 1 } },
    "StartInterval in Healthcheck cannot be less than 1ms",
  ],
  ["negative health retries", { Healthcheck: { Retries: -1 } }, "Retries in Healthcheck cannot be negative"],
  ["an unknown runtime", { HostConfig: { Runtime: "youki" } }, "unknown or invalid runtime name: youki"],
  [
    "an unknown restart policy",
    { HostConfig: { RestartPolicy: { Name: "sometimes" as "no" } } },
    "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
  ],
  [
    "retries without on-failure",
    { HostConfig: { RestartPolicy: { Name: "always", MaximumRetryCount: 3 } } },
    "invalid restart policy: maximum retry count can only be used with 'on-failure'",
  ],
  [
    "negative retries",
    { HostConfig: { RestartPolicy: { Name: "on-failure", MaximumRetryCount: -1 } } },
    "invalid restart policy: maximum retry count cannot be negative",
  ],
  ["a signal that is none", { StopSignal: "SIGNOPE" }, "invalid signal: SIGNOPE"],
  ["an IPC mode that is none", { HostConfig: { IpcMode: "ours" } }, "invalid IPC mode: ours"],
  ["a PID mode that is none", { HostConfig: { PidMode: "ours" } }, "invalid PID mode: ours"],
  ["a UTS mode that is none", { HostConfig: { UTSMode: "ours" } }, "invalid UTS mode: ours"],
  [
    "a cgroup namespace mode that is none",
    { HostConfig: { CgroupnsMode: "ours" as "host" } },
    "invalid cgroup namespace mode: ours",
  ],
  ["a negative /dev/shm", { HostConfig: { ShmSize: -1 } }, "SHM size can not be less than 0"],
  [
    "an OOM score",
    { HostConfig: { OomScoreAdj: 1001 } },
    "Invalid value 1001, range for oom score adj is [-1000, 1000]",
  ],
  [
    "an isolation",
    { HostConfig: { Isolation: "hyperv" } },
    "invalid isolation (hyperv): linux only supports 'default'",
  ],
  ["a ulimit", { HostConfig: { Ulimits: [{ Name: "as", Soft: 1, Hard: 1 }] } }, "invalid ulimit type: as"],
  [
    "a soft limit above the hard one",
    { HostConfig: { Ulimits: [{ Name: "nofile", Soft: 9, Hard: 3 }] } },
    "ulimit soft limit must be less than or equal to hard limit: 9 > 3",
  ],
  [
    "a sysctl of the host",
    { HostConfig: { Sysctls: { "kernel.panic": "1" } } },
    'sysctl "kernel.panic" is not in a separate kernel namespace',
  ],
  [
    "a network sysctl on the host's network",
    { HostConfig: { NetworkMode: "host", Sysctls: { "net.core.somaxconn": "1" } } },
    'sysctl "net.core.somaxconn" not allowed in host network namespace',
  ],
  [
    "an IPC sysctl with the host's IPC",
    { HostConfig: { IpcMode: "host", Sysctls: { "kernel.shmmax": "1" } } },
    'sysctl "kernel.shmmax" not allowed in host IPC namespace',
  ],
  [
    "a sysctl that climbs",
    { HostConfig: { Sysctls: { "net/../kernel/panic": "1" } } },
    'sysctl "net/../kernel/panic" is not a valid name',
  ],
  ["an extra host", { HostConfig: { ExtraHosts: ["nothing"] } }, 'bad format for add-host: "nothing"'],
  ["an extra host's address", { HostConfig: { ExtraHosts: ["a:b"] } }, 'invalid IP address in add-host: "b"'],
  [
    "a line break in a search domain",
    { HostConfig: { DnsSearch: ["a\nnameserver 6.6.6.6"] } },
    "invalid dns search domain",
  ],
  ["a nameserver", { HostConfig: { Dns: ["x"] } }, 'bad nameserver address: "x"'],
  [
    "a link to nowhere",
    { HostConfig: { Links: ["ghost:db"] } },
    "could not get container for ghost: No such container: ghost",
  ],
  ["a link with three parts", { HostConfig: { Links: ["a:b:c"] } }, "bad format for links: a:b:c"],
  [
    "a line break in an alias",
    { HostConfig: { Links: ["other:a\n6.6.6.6 b"] } },
    "bad format for links: other:a\n6.6.6.6 b",
  ],
  ["volumes from nowhere", { HostConfig: { VolumesFrom: ["ghost"] } }, "No such container: ghost"],
  [
    "a device rule",
    { HostConfig: { DeviceCgroupRules: ["x 1:3 rwm"] } },
    "invalid device cgroup rule format: 'x 1:3 rwm'",
  ],
  [
    "device access",
    { HostConfig: { Devices: [{ PathOnHost: "/dev/null", PathInContainer: "/dev/x", CgroupPermissions: "rrr" }] } },
    "invalid device mode: rrr",
  ],
  ["a security option", { HostConfig: { SecurityOpt: ["what"] } }, 'invalid --security-opt 1: "what"'],
  [
    "an annotation without a key",
    { HostConfig: { Annotations: { "": "x" } } },
    "invalid Annotations: the empty string is not permitted as an annotation key",
  ],
];

test.each(refused)("normalizeCreate() refuses %s", (_, request, text) => {
  let thrown: unknown;
  try {
    normalized(request, { others });
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(EngineError);
  expect((thrown as EngineError).message).toContain(text);
  expect((thrown as EngineError).kind).toBe("invalid");
});

test("an empty request is refused", async () => {
  const { normalizeCreate } = await import("./normalize.ts");
  const { testContext } = await import("./request.fixture.ts");
  expect(() => normalizeCreate({}, testContext())).toThrow("config cannot be empty in order to create a container");
});

test("what the kernel cannot do is discarded with Docker's warnings", () => {
  const cgroup = {
    memory: true,
    swap: false,
    memoryReservation: false,
    swappiness: false,
    oomKillDisable: false,
    pids: false,
    cpuShares: false,
    cpuCfs: true,
    cpuRealtime: false,
    cpuset: false,
    blkioWeight: false,
    blkioWeightDevice: false,
    blkioThrottle: false,
  };
  const { plan, warnings } = normalized(
    {
      HostConfig: {
        Memory: 64e6,
        MemoryReservation: 32e6,
        MemorySwappiness: 5,
        OomKillDisable: true,
        PidsLimit: 9,
        CpuShares: 5,
        CpusetCpus: "7",
        BlkioWeight: 50,
        BlkioDeviceReadBps: [{ Path: "/dev/x", Rate: 1 }],
      },
    },
    { host: { cgroup, ipv4Forwarding: false } },
  );
  expect(warnings).toEqual([
    "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
    "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
    "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.",
    "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
    "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
    "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.",
    "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.",
    "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.",
    "Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read limit discarded.",
    "IPv4 forwarding is disabled. Networking will not work.",
  ]);
  expect(plan.resources).toMatchObject({
    memory: 64e6,
    memorySwap: -1,
    memoryReservation: 0,
    pids: 0,
    cpuShares: 0,
    cpusetCpus: "",
    blkioWeight: 0,
    readBps: [],
  });
});

test("checkBindSources() wants the source of a strict bind", async () => {
  const plan = (mount: object) =>
    normalized({ HostConfig: { Mounts: [{ Type: "bind", Target: "/x", ...mount }] } }).plan.mounts;
  expect(await failure(checkBindSources(plan({ Source: "/nonexist" })))).toContain(
    'invalid mount config for type "bind": bind source path does not exist: /nonexist',
  );
  await checkBindSources(plan({ Source: "/etc" }));
  await checkBindSources(plan({ Source: "/nonexist", BindOptions: { CreateMountpoint: true } }));
  await checkBindSources(normalized({ HostConfig: { Binds: ["/nonexist:/x"] } }).plan.mounts);
});
