import { EngineError } from "../base/errors.ts";
import type { OperationId } from "../spec/engine/operations.gen.ts";
import type { ApiMinor } from "./version.ts";

type Json = Record<string, unknown>;

/**
 * What old API versions say differently (engine-api.md 1.3). `until` is the first minor version that no longer needs
 * the row. Routes and views know only the newest version; a request is lifted up to it, a reply lowered from it.
 */
interface Row {
  readonly operation: OperationId;
  readonly until: ApiMinor;
  readonly request?: (body: Json, minor: ApiMinor) => void;
  readonly reply?: (body: unknown) => void;
}

const rows: readonly Row[] = [
  { operation: "ContainerCreate", until: 40, request: (body) => setDefault(hostConfig(body), "IpcMode", "shareable") },
  { operation: "ContainerCreate", until: 41, request: (body) => setDefault(hostConfig(body), "CgroupnsMode", "host") },
  { operation: "ContainerCreate", until: 42, request: (body) => dropMountOptions(hostConfig(body)) },
  { operation: "ContainerCreate", until: 42, request: (body) => void delete hostConfig(body)["ConsoleSize"] },
  { operation: "ContainerCreate", until: 43, request: (body) => void delete hostConfig(body)["Annotations"] },
  { operation: "ContainerCreate", until: 44, request: oneNetwork },
  { operation: "ContainerCreate", until: 44, request: containerWideMac },
  { operation: "ContainerExec", until: 42, request: (body) => void delete body["ConsoleSize"] },
  { operation: "ExecStart", until: 42, request: (body) => void delete body["ConsoleSize"] },
  {
    operation: "ContainerInspect",
    until: 44,
    reply: (body) => eachEndpoint(body, (endpoint) => void delete endpoint["DNSNames"]),
  },
  { operation: "ContainerInspect", until: 45, reply: shortIdAlias },
  {
    operation: "ContainerInspect",
    until: 48,
    reply: (body) => eachEndpoint(body, (endpoint) => void delete endpoint["GwPriority"]),
  },
  {
    operation: "ContainerInspect",
    until: 50,
    reply: (body) => within(body, "HostConfig", (host) => setDefault(host, "KernelMemory", 0)),
  },
  { operation: "ImageList", until: 43, reply: (body) => list(body).forEach(noneTags) },
  { operation: "ImageList", until: 44, reply: (body) => list(body).forEach(virtualSize) },
  {
    operation: "ImageList",
    until: 51,
    reply: (body) => list(body).forEach((image) => void (image["Containers"] = -1)),
  },
  { operation: "ImageInspect", until: 44, reply: virtualSize },
  {
    operation: "ImageInspect",
    until: 45,
    reply: (body) => Object.assign(object(body), { Container: "", ContainerConfig: null }),
  },
  { operation: "ImageInspect", until: 50, reply: (body) => within(body, "Config", runtimeKeys) },
  { operation: "SystemDataUsage", until: 44, reply: (body) => list(object(body)["Images"]).forEach(virtualSize) },
  { operation: "NetworkInspect", until: 48, reply: (body) => void delete object(body)["EnableIPv4"] },
  {
    operation: "NetworkList",
    until: 48,
    reply: (body) => list(body).forEach((network) => void delete network["EnableIPv4"]),
  },
  { operation: "SystemInfo", until: 46, reply: (body) => void delete object(body)["Containerd"] },
  { operation: "SystemInfo", until: 49, reply: (body) => void delete object(body)["FirewallBackend"] },
  {
    operation: "SystemInfo",
    until: 50,
    reply: (body) => Object.assign(object(body), { BridgeNfIptables: true, BridgeNfIp6tables: true }),
  },
  { operation: "SystemInfo", until: 50, reply: (body) => void delete object(body)["DiscoveredDevices"] },
];

/** Brings the body of an older version's request to the newest form, before it is validated. */
export function lift(operation: OperationId, minor: ApiMinor, body: unknown): unknown {
  if (minor >= 52 || typeof body !== "object" || body === null || Array.isArray(body)) return body;
  for (const row of rows) {
    if (row.operation === operation && minor < row.until) row.request?.(body as Json, minor);
  }
  return body;
}

/** Brings a reply to the form of an older version. Views make fresh objects, so it is changed in place. */
export function lower(operation: OperationId, minor: ApiMinor, body: unknown): unknown {
  for (const row of rows) {
    if (row.operation === operation && minor < row.until) row.reply?.(body);
  }
  return body;
}

/** Whether a version's reply differs from the newest form. */
export const lowers = (operation: OperationId, minor: ApiMinor): boolean =>
  rows.some((row) => row.operation === operation && minor < row.until && row.reply !== undefined);

const object = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
const list = (value: unknown): Json[] => (Array.isArray(value) ? value.map(object) : []);

function hostConfig(body: Json): Json {
  if (body["HostConfig"] === undefined || body["HostConfig"] === null) body["HostConfig"] = {};
  return object(body["HostConfig"]);
}

function setDefault(target: Json, name: string, value: unknown): void {
  if (target[name] === undefined || target[name] === null || target[name] === "") target[name] = value;
}

function within(body: unknown, name: string, change: (part: Json) => void): void {
  change(object(object(body)[name]));
}

function eachEndpoint(body: unknown, change: (endpoint: Json) => void): void {
  const networks = object(object(object(body)["NetworkSettings"])["Networks"]);
  for (const endpoint of Object.values(networks)) change(object(endpoint));
}

/** Below 1.42 options of another mount type were ignored. */
function dropMountOptions(host: Json): void {
  for (const mount of list(host["Mounts"])) {
    for (const [kind, options] of [
      ["bind", "BindOptions"],
      ["volume", "VolumeOptions"],
      ["tmpfs", "TmpfsOptions"],
    ] as const) {
      if (mount["Type"] !== kind) delete mount[options];
    }
  }
}

/** Below 1.44 a container starts on one network at most. */
function oneNetwork(body: Json): void {
  const endpoints = object(object(body["NetworkingConfig"])["EndpointsConfig"]);
  const names = Object.keys(endpoints).sort();
  if (names.length > 1)
    throw new EngineError(
      "invalid",
      `Container cannot be created with multiple network endpoints: ${names.join(", ")}`,
    );
}

/** Below 1.44 the address was the container's; now it belongs to its first network, and create warns of the old form. */
function containerWideMac(body: Json): void {
  const mac = body["MacAddress"];
  if (typeof mac !== "string" || mac === "") return;
  delete body["MacAddress"];
  const mode = hostConfig(body)["NetworkMode"];
  const network = typeof mode === "string" && mode !== "" ? mode : "default";
  if (network === "host" || network.startsWith("container:"))
    throw new EngineError("invalid", "conflicting options: mac-address and the network mode");
  if (network === "none") return;
  if (body["NetworkingConfig"] === undefined || body["NetworkingConfig"] === null) body["NetworkingConfig"] = {};
  const networking = object(body["NetworkingConfig"]);
  if (networking["EndpointsConfig"] === undefined || networking["EndpointsConfig"] === null)
    networking["EndpointsConfig"] = {};
  const endpoints = object(networking["EndpointsConfig"]);
  if (endpoints[network] === undefined || endpoints[network] === null) endpoints[network] = {};
  setDefault(object(endpoints[network]), "MacAddress", mac);
}

/** Below 1.45 Aliases had the container's short id, too. */
function shortIdAlias(body: unknown): void {
  const id = object(body)["Id"];
  if (typeof id !== "string") return;
  const mode = object(object(body)["HostConfig"])["NetworkMode"];
  if (mode === "default" || mode === "bridge" || mode === "host" || mode === "none") return;
  eachEndpoint(body, (endpoint) => {
    const aliases = Array.isArray(endpoint["Aliases"]) ? endpoint["Aliases"] : [];
    if (!aliases.includes(id.slice(0, 12))) endpoint["Aliases"] = [...aliases, id.slice(0, 12)];
  });
}

/** Below 1.43 an image without a name had these. */
function noneTags(image: Json): void {
  const tags = image["RepoTags"];
  const digests = image["RepoDigests"];
  if (!Array.isArray(tags) || tags.length > 0) return;
  if (Array.isArray(digests) && digests.length > 0) return;
  image["RepoTags"] = ["<none>:<none>"];
  image["RepoDigests"] = ["<none>@<none>"];
}

function virtualSize(image: unknown): void {
  object(image)["VirtualSize"] = object(image)["Size"];
}

/** Below 1.50 an image's Config showed the keys that only containers have. */
function runtimeKeys(config: Json): void {
  for (const [name, value] of Object.entries({
    Hostname: "",
    Domainname: "",
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Image: "",
  })) {
    setDefault(config, name, value);
  }
}
