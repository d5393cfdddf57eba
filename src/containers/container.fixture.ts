import type { Container } from "./container.ts";
import { readCreateHost } from "./create/read-host.ts";
import { normalizeCreate } from "./create/normalize.ts";
import type { CreateDefaults } from "./create/defaults.ts";
import type { CreateRequest } from "./containers.ts";
import { initialState } from "./state.ts";

export const fixtureDefaults: CreateDefaults = {
  runtimes: ["crun"],
  defaultRuntime: "crun",
  logDriver: "json-file",
  logOptions: {},
  shmSizeBytes: 64 << 20,
  ipcMode: "private",
  cgroupnsMode: "host",
  ulimits: [],
  init: false,
  noNewPrivileges: false,
  seccompProfile: "",
  dns: [],
  dnsSearch: [],
  dnsOptions: [],
  hostGatewayIps: [],
  cgroupParent: "",
  stopTimeoutSeconds: 10,
  dataRoot: "/nowhere",
  host: readCreateHost(),
};

/** A container as a create makes it, for tests that need no daemon. */
export function containerFixture(id: string, request: CreateRequest = {}, createdAtNs = 1n): Container {
  const name = `name-${id.slice(0, 4)}`;
  const { plan, request: merged } = normalizeCreate(
    { Image: "busybox", Cmd: ["true"], ...request },
    { id, name, image: null, platform: "", defaults: fixtureDefaults, containers: () => { throw new Error("no other container"); } },
  );
  const paths = { folder: "", hosts: "", hostname: "", resolv: "", log: "", rootfs: "", bundle: "" };
  return { id, name, createdAtNs, owner: { via: "engine" }, imageId: "sha256:0", chainIds: [], imageReference: "busybox", plan, request: merged, mounts: [], state: initialState, execIds: [], paths };
}
