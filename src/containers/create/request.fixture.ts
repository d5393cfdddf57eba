import type { Image } from "../../images/image.ts";
import type { OciRunConfig } from "../../spec/oci/image.ts";
import type { Container } from "../container.ts";
import type { CreateRequest } from "../containers.ts";
import { EngineError } from "../../base/errors.ts";
import type { CreateContext, CreateDefaults, CreateHost } from "./defaults.ts";
import { normalizeCreate, type Normalized } from "./normalize.ts";

export const containerId = "0123456789abcdef".repeat(4);

export const testHost: CreateHost = {
  hostname: "machine",
  platform: "linux/amd64",
  cpus: 2,
  cpusetCpus: "0-1",
  cpusetMems: "0",
  cgroupVersion: 1,
  cgroup: {
    memory: true,
    swap: true,
    memoryReservation: true,
    swappiness: true,
    oomKillDisable: true,
    pids: true,
    cpuShares: true,
    cpuCfs: true,
    cpuRealtime: false,
    cpuset: true,
    blkioWeight: true,
    blkioWeightDevice: true,
    blkioThrottle: true,
  },
  ipv4Forwarding: true,
  seccomp: true,
  apparmor: false,
  selinux: false,
  cgroupNamespaces: true,
};

export const testDefaults: CreateDefaults = {
  runtimes: ["crun", "runc"],
  defaultRuntime: "crun",
  logDriver: "json-file",
  logOptions: {},
  shmSizeBytes: 64 * 1024 * 1024,
  ipcMode: "private",
  cgroupnsMode: "host",
  ulimits: [],
  init: false,
  noNewPrivileges: false,
  seccompProfile: "",
  dns: [],
  dnsSearch: [],
  dnsOptions: [],
  hostGatewayIps: ["172.17.0.1"],
  cgroupParent: "",
  stopTimeoutSeconds: 10,
  dataRoot: "/var/lib/berth",
  host: testHost,
};

export function testImage(
  config: OciRunConfig = { Cmd: ["sh"] },
  os: { os?: string; architecture?: string } = {},
): Image {
  return {
    id: `sha256:${"ab".repeat(32)}`,
    config: { os: "linux", architecture: "amd64", ...os, config, rootfs: { type: "layers", diff_ids: [] } },
    chainIds: [],
    sizeBytes: 0,
    references: ["busybox:latest"],
    variantOf: [],
    digests: [],
    taggedAtNs: 0n,
  };
}

type ContextChange = Partial<Omit<CreateContext, "defaults">> & {
  defaults?: Partial<CreateDefaults>;
  host?: Partial<CreateHost>;
  others?: readonly Container[];
};

export function testContext({ defaults, host, others = [], ...context }: ContextChange = {}): CreateContext {
  return {
    id: containerId,
    name: "web",
    image: testImage(),
    platform: "",
    containers: (ref) => {
      const found = others.find((other) => other.id === ref || other.name === ref);
      if (!found) throw new EngineError("not-found", `No such container: ${ref}`);
      return found;
    },
    ...context,
    defaults: { ...testDefaults, ...defaults, host: { ...testHost, ...host } },
  };
}

/** Normalises a request for the test image. */
export const normalized = (request: CreateRequest, change: ContextChange = {}): Normalized =>
  normalizeCreate({ Image: "busybox", ...request }, testContext(change));

/** A container as the rest of the engine sees it, made from a request. */
export function testContainer(
  request: CreateRequest,
  change: ContextChange & { rootfs?: string; folder?: string } = {},
): Container {
  const { rootfs = "/rootfs", folder = "", ...context } = change;
  const { id, name } = testContext(context);
  const { plan, request: merged } = normalized(request, context);
  return {
    id,
    name,
    createdAtNs: 0n,
    owner: { via: "engine" },
    imageId: "",
    chainIds: [],
    imageReference: "busybox",
    plan,
    request: merged,
    mounts: plan.mounts.map((mount) => ({
      type: mount.type,
      name: mount.type === "volume" ? mount.volume || "random" : "",
      source: "",
      target: mount.target,
      driver: "local",
      mode: mount.mode,
      readWrite: !mount.readOnly,
      propagation: "",
    })),
    state: {
      status: "created",
      starting: false,
      pid: 0,
      pidIdentity: "",
      run: 0,
      startedAtNs: 0n,
      finishedAtNs: 0n,
      exitCode: 0,
      oomKilled: false,
      error: "",
      restartCount: 0,
      stoppedByUser: false,
      hasRun: false,
      sandbox: null,
      health: null,
    },
    execIds: [],
    paths: {
      folder,
      hosts: folder && `${folder}/hosts`,
      hostname: folder && `${folder}/hostname`,
      resolv: folder && `${folder}/resolv.conf`,
      log: "",
      rootfs,
      bundle: folder,
    },
  };
}
