import { expect, test } from "bun:test";
import { containerId, normalized, testContainer, testImage } from "./request.fixture.ts";

const other = testContainer({ Cmd: ["sh"], Hostname: "their-name" }, { id: "c".repeat(64), name: "other" });

test("a bare request gets Docker's defaults", () => {
  const { plan, request, warnings } = normalized({});
  expect(warnings).toEqual([]);
  expect(plan.process).toEqual({
    args: ["sh"],
    env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=0123456789ab"],
    cwd: "/",
    user: "",
    groups: [],
    tty: false,
    openStdin: false,
    stdinOnce: false,
    consoleSize: null,
    stopSignal: 15,
    stopTimeoutSeconds: 10,
    init: false,
    oomScoreAdjust: 0,
    rlimits: [],
  });
  expect(plan.network).toEqual({
    mode: "bridge",
    attachments: [{ network: "bridge", aliases: [], driverOptions: {} }],
    ports: [],
    sysctls: {},
  });
  expect(plan.namespaces).toEqual({ pid: "private", ipc: "private", uts: "private", cgroup: "host", user: "default" });
  expect(plan.security.seccomp).toEqual({ kind: "default" });
  expect(plan.restart).toEqual({ policy: "no", maximumRetries: 0 });
  expect(request.hostConfig).toMatchObject({
    NetworkMode: "bridge",
    IpcMode: "private",
    CgroupnsMode: "host",
    ShmSize: 67108864,
    Runtime: "crun",
    RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
    CapAdd: null,
    Binds: null,
  });
  expect(request.config).toMatchObject({
    Hostname: "0123456789ab",
    Cmd: ["sh"],
    Entrypoint: null,
    Volumes: null,
    Labels: {},
  });
});

test("inspect's shape has every field of Docker's sample, and no other", () => {
  const { request } = normalized({
    Cmd: ["sh"],
    Env: ["FOO=bar"],
    ExposedPorts: { "80/tcp": {} },
    Healthcheck: { Test: ["CMD", "true"] },
    HostConfig: { Memory: 67108864, Mounts: [{ Type: "tmpfs", Target: "/scratch" }] },
  });
  // keys of reference/samples/v1.51/container-inspect.running.json
  const host =
    "AutoRemove Binds BlkioDeviceReadBps BlkioDeviceReadIOps BlkioDeviceWriteBps BlkioDeviceWriteIOps BlkioWeight BlkioWeightDevice CapAdd CapDrop Cgroup CgroupParent CgroupnsMode ConsoleSize ContainerIDFile CpuCount CpuPercent CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpuShares CpusetCpus CpusetMems DeviceCgroupRules DeviceRequests Devices Dns DnsOptions DnsSearch ExtraHosts GroupAdd IOMaximumBandwidth IOMaximumIOps IpcMode Isolation Links LogConfig MaskedPaths Memory MemoryReservation MemorySwap MemorySwappiness Mounts NanoCpus NetworkMode OomKillDisable OomScoreAdj PidMode PidsLimit PortBindings Privileged PublishAllPorts ReadonlyPaths ReadonlyRootfs RestartPolicy Runtime SecurityOpt ShmSize UTSMode Ulimits UsernsMode VolumeDriver VolumesFrom";
  expect(Object.keys(request.hostConfig).sort().join(" ")).toBe(host);
  const config =
    "AttachStderr AttachStdin AttachStdout Cmd Domainname Entrypoint Env ExposedPorts Healthcheck Hostname Image Labels OnBuild OpenStdin StdinOnce Tty User Volumes WorkingDir";
  expect(Object.keys(request.config).sort().join(" ")).toBe(config);
  expect(request.hostConfig.MemorySwap).toBe(134217728);
});

test("a request's entrypoint drops the image's command, an empty one resets it", () => {
  const image = testImage({ Entrypoint: ["/entry"], Cmd: ["serve"] });
  const args = (request: Parameters<typeof normalized>[0]) => normalized(request, { image }).plan.process.args;
  expect(args({})).toEqual(["/entry", "serve"]);
  expect(args({ Cmd: ["other"] })).toEqual(["/entry", "other"]);
  expect(args({ Entrypoint: ["/mine"], Cmd: ["x"] })).toEqual(["/mine", "x"]);
  expect(args({ Entrypoint: ["/mine"] })).toEqual(["/mine"]);
  expect(args({ Entrypoint: [""], Cmd: ["x"] })).toEqual(["x"]);
  expect(args({ Entrypoint: [], Cmd: ["x"] })).toEqual(["x"]);
  expect(() => args({ Entrypoint: [""] })).toThrow("no command specified");
});

test("environment, labels, ports, volumes and user are merged with the image's", () => {
  const image = testImage({
    Cmd: ["sh"],
    Env: ["PATH=/bin", "LANG=C", "KEEP=1"],
    Labels: { a: "image", b: "image" },
    ExposedPorts: { "80/tcp": {} },
    Volumes: { "/data": {} },
    User: "nobody",
    WorkingDir: "/srv",
    StopSignal: "SIGQUIT",
  });
  const { plan, request } = normalized(
    { Env: ["LANG=de", "NEW=2", "HOSTNAME"], Labels: { a: "mine" }, ExposedPorts: { "443/tcp": {} } },
    { image },
  );
  expect(request.config.Env).toEqual(["LANG=de", "NEW=2", "HOSTNAME", "PATH=/bin", "KEEP=1"]);
  expect(plan.process.env).toEqual(["PATH=/bin", "LANG=de", "NEW=2", "KEEP=1"]);
  expect(plan.labels).toEqual({ a: "mine", b: "image" });
  expect(Object.keys(request.config.ExposedPorts ?? {}).sort()).toEqual(["443/tcp", "80/tcp"]);
  expect(plan.mounts).toMatchObject([{ type: "volume", target: "/data", anonymous: true, copy: true }]);
  expect(plan.process).toMatchObject({ user: "nobody", cwd: "/srv", stopSignal: 3 });
});

test("a TTY brings TERM, at its place, and the request may replace it", () => {
  expect(normalized({ Tty: true, Env: ["A=1"] }).plan.process.env.slice(2)).toEqual(["TERM=xterm", "A=1"]);
  expect(normalized({ Tty: true, Env: ["TERM=vt100"] }).plan.process.env[2]).toBe("TERM=vt100");
});

test("health checks inherit from the image field by field and have Docker's defaults", () => {
  const image = testImage({
    Cmd: ["sh"],
    Healthcheck: { Test: ["CMD-SHELL", "curl localhost"], Interval: 5e9, Retries: 7 },
  });
  const health = (check: object, more: object = {}) =>
    normalized({ Healthcheck: check, ...more }, { image }).plan.health;
  expect(health({ Timeout: 2e9 })).toEqual({
    test: ["CMD-SHELL", "curl localhost"],
    intervalNs: 5e9,
    timeoutNs: 2e9,
    startPeriodNs: 0,
    startIntervalNs: 5e9,
    retries: 7,
    onFailure: "none",
  });
  expect(health({ Test: ["NONE"] })).toBeNull();
  expect(health({}, { Shell: ["/bin/ash", "-c"] })?.test).toEqual(["CMD", "/bin/ash", "-c", "curl localhost"]);
  expect(health({}, { HostConfig: { Annotations: { "io.berth.health.on-failure": "restart" } } })?.onFailure).toBe(
    "restart",
  );
  expect(() => health({}, { HostConfig: { Annotations: { "io.berth.health.on-failure": "explode" } } })).toThrow(
    'invalid health on-failure action "explode"',
  );
});

test("modes of other containers are pinned to ids and lend names", () => {
  const { plan, request } = normalized(
    { HostConfig: { NetworkMode: "container:other", PidMode: "container:other", IpcMode: "container:other" } },
    { others: [other] },
  );
  expect(request.hostConfig.NetworkMode).toBe(`container:${other.id}`);
  expect(plan.network).toMatchObject({ mode: "container", sharedWith: other.id, attachments: [], ports: [] });
  expect(plan.namespaces).toMatchObject({ pid: { container: other.id }, ipc: { container: other.id } });
  expect(plan.hostname).toBe("their-name");
});

test("a mode of a container that is not there is for the start to refuse", () => {
  const modes = { NetworkMode: "container:ghost", PidMode: "container:ghost", IpcMode: "container:ghost" };
  const { plan, request } = normalized({ HostConfig: modes });
  expect(request.hostConfig).toMatchObject(modes);
  expect(plan.network.sharedWith).toBe("ghost");
});

test("host modes share names and refuse what cannot be", () => {
  const { plan, warnings } = normalized({
    HostConfig: {
      NetworkMode: "host",
      PidMode: "host",
      IpcMode: "host",
      UTSMode: "host",
      PortBindings: { "80/tcp": [{ HostPort: "80" }] },
    },
  });
  expect(plan.hostname).toBe("machine");
  expect(plan.network).toEqual({ mode: "host", attachments: [], ports: [], sysctls: {} });
  expect(warnings).toEqual(["Published ports are discarded when using host network mode"]);
});

test("init runs only in a pid namespace of the container's own", () => {
  expect(normalized({ HostConfig: { Init: true } }).plan.process.init).toBe(true);
  expect(normalized({ HostConfig: { Init: true, PidMode: "host" } }).plan.process.init).toBe(false);
  expect(normalized({}, { defaults: { init: true } }).plan.process.init).toBe(true);
  expect(normalized({ HostConfig: { Init: false } }, { defaults: { init: true } }).plan.process.init).toBe(false);
});

test("an image for another machine is a warning, or not found when a platform was asked for", () => {
  const image = testImage({ Cmd: ["sh"] }, { architecture: "arm64" });
  expect(normalized({}, { image }).warnings).toEqual([
    "The requested image's platform (linux/arm64) does not match the detected host platform (linux/amd64) and no specific platform was requested",
  ]);
  expect(normalized({}, { image, platform: "linux/arm64/v8" }).warnings).toEqual([]);
  expect(() => normalized({}, { platform: "linux/arm64" })).toThrow(
    "its platform (linux/amd64) does not match the specified platform (linux/arm64)",
  );
  expect(normalized({}, { platform: "amd64" }).plan.platform).toBe("linux/amd64");
});

test("privileged containers have all capabilities, no filter, no hidden paths, and say so", () => {
  const { plan, request } = normalized({ HostConfig: { Privileged: true } });
  expect(plan.security).toMatchObject({
    privileged: true,
    seccomp: { kind: "unconfined" },
    maskedPaths: [],
    readonlyPaths: [],
    writableCgroups: true,
  });
  expect(plan.security.capabilities).toContain("CAP_SYS_ADMIN");
  expect(request.hostConfig).toMatchObject({ SecurityOpt: ["label=disable"], MaskedPaths: null, ReadonlyPaths: null });
});

test("a container-wide MAC address moves to the main network with a warning", () => {
  const request = { MacAddress: "02:42:ac:11:00:09" } as object;
  const { plan, warnings } = normalized(request);
  expect(plan.network.attachments).toMatchObject([{ network: "bridge", mac: "02:42:ac:11:00:09" }]);
  expect(warnings).toEqual([
    "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.",
  ]);
});

test("the log driver's options are the daemon's under the request's", () => {
  const defaults = { logOptions: { "max-size": "10m", "max-file": "3" } };
  expect(normalized({}, { defaults }).plan.log).toEqual({
    driver: "json-file",
    options: { "max-size": "10m", "max-file": "3" },
  });
  expect(
    normalized({ HostConfig: { LogConfig: { Config: { "max-file": "1" } } } }, { defaults }).plan.log.options,
  ).toEqual({ "max-size": "10m", "max-file": "1" });
  expect(normalized({ HostConfig: { LogConfig: { Type: "none" } } }, { defaults }).plan.log).toEqual({
    driver: "none",
    options: {},
  });
});

test("the id is what names an unnamed host", () => {
  expect(normalized({}).plan.hostname).toBe(containerId.slice(0, 12));
  expect(normalized({ Hostname: "db", Domainname: "example.org" }).plan).toMatchObject({
    hostname: "db",
    domainname: "example.org",
  });
});
