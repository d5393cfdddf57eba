import { logLevels } from "../base/log.ts";
import { readWaterMarks } from "../images/water-marks.ts";
import {
  addressPools,
  bytes,
  cidr,
  driverOptions,
  ipAddress,
  type Kind,
  mirrorAddress,
  oneOf,
  pairs,
  proxies,
  registryMirrors,
  runtimes,
  switches,
  text,
  texts,
  toggle,
  ulimits,
  whole,
} from "./value-kinds.ts";

/** One setting of the daemon: feeds the flags, daemon.json, `--help`, the reference page and the reload. */
export interface ConfigRow<T> {
  readonly kind: Kind<T>;
  readonly default: T;
  readonly help: string;
  /** One letter. */
  readonly short?: string;
  /** Key in daemon.json where it is not the flag's name; null = a flag only. */
  readonly key?: string | null;
  /** Only in daemon.json. */
  readonly fileOnly?: boolean;
  /** SIGHUP takes a new value from the file. */
  readonly reloadable?: boolean;
  /** dockerd has it, this engine does not need it: accepted, and this reason is the warning. */
  readonly ignored?: string;
}

const row = <T>(declared: ConfigRow<T>): ConfigRow<T> => declared;
/** A setting of dockerd that means nothing here. */
const ignored = <T>(kind: Kind<T>, initial: T, reason: string, more: Partial<ConfigRow<T>> = {}): ConfigRow<T> => ({
  kind,
  default: initial,
  help: `Ignored: ${reason}`,
  ignored: reason,
  ...more,
});

/** A setting of dockerd that this engine cannot follow: any value but its own would be a false promise. */
const only = <T>(kind: Kind<T>, own: T, reason: string, more: Partial<ConfigRow<T>> = {}): ConfigRow<T> => {
  const judge = (value: T): T => {
    if (JSON.stringify(value) !== JSON.stringify(own))
      throw new Error(`only ${kind.show(own) || "the empty value"} is possible: ${reason}`);
    return value;
  };
  return {
    kind: {
      ...kind,
      fromFlag: (texts) => judge(kind.fromFlag(texts)),
      fromJson: (value) => judge(kind.fromJson(value)),
    },
    default: own,
    help: `Only ${kind.show(own) || "the empty value"}: ${reason}`,
    ...more,
  };
};

const noProxy = "ports are published without a proxy process";
const noContainerd = "there is no containerd";
const noSwarm = "services of a cluster are not built in yet";

/** By flag name, in the order of help. */
export const configTable = {
  "add-runtime": row({
    kind: runtimes,
    default: {},
    key: "runtimes",
    reloadable: true,
    help: "Register an OCI runtime (name=path); crun and runc are known",
  }),
  bip: row({
    kind: text(optionalCidr),
    default: "",
    help: "IPv4 address of the default bridge, with the prefix of its network (CIDR)",
  }),
  "build-cache-max-age": row({
    kind: whole(0),
    default: 0,
    reloadable: true,
    help: "Seconds after which unused records of the build cache go (0: never)",
  }),
  "build-cache-max-bytes": row({
    kind: bytes,
    default: 0,
    reloadable: true,
    help: "Size that the build cache is brought back to after a build (0: no limit)",
  }),
  "build-parallelism": row({
    kind: whole(1),
    default: 4,
    reloadable: true,
    help: "Steps of builds that run at once",
  }),
  "cgroup-parent": row({ kind: text(), default: "", help: "Parent cgroup of all containers" }),
  "config-file": row({
    kind: text(),
    default: "/etc/berth/daemon.json",
    key: null,
    help: "Configuration file of the daemon",
  }),
  "data-root": row({
    kind: text(absolute),
    default: "/var/lib/berth",
    help: "Folder of what must survive a restart of the machine",
  }),
  debug: row({ kind: toggle, default: false, short: "D", reloadable: true, help: "Log at level debug" }),
  "default-address-pool": row({
    kind: addressPools,
    default: [],
    key: "default-address-pools",
    help: "Ranges from which networks take their subnets (base=10.10.0.0/16,size=24)",
  }),
  "default-cgroupns-mode": row({
    kind: oneOf("host", "private", ""),
    default: "",
    help: "Cgroup namespace of containers that do not say: host or private (private on cgroup v2, else host)",
  }),
  "default-ipc-mode": row({
    kind: oneOf("private", "shareable"),
    default: "private",
    reloadable: true,
    help: "IPC of containers that do not say: private or shareable",
  }),
  "default-runtime": row({
    kind: text(),
    default: "",
    reloadable: true,
    help: "Runtime of containers that do not say (crun, else runc)",
  }),
  "default-shm-size": row({
    kind: bytes,
    default: 64 * 1024 * 1024,
    reloadable: true,
    help: "Size of /dev/shm of containers that do not say",
  }),
  "default-ulimit": row({
    kind: ulimits,
    default: [],
    key: "default-ulimits",
    reloadable: true,
    help: "Limits of containers that do not say (nofile=1024:2048)",
  }),
  dns: row({ kind: texts(ipAddress), default: [], reloadable: true, help: "DNS server for containers" }),
  "dns-opt": row({ kind: texts(), default: [], key: "dns-opts", reloadable: true, help: "DNS option for containers" }),
  "dns-search": row({ kind: texts(), default: [], reloadable: true, help: "DNS search domain for containers" }),
  "exec-root": row({
    kind: text(absolute),
    default: "/run/berth",
    help: "Folder of what ends with the machine: sockets, pipes, runtime state",
  }),
  "fixed-cidr": row({
    kind: text(optionalCidr),
    default: "",
    help: "Part of the default bridge's network that containers get addresses from (CIDR)",
  }),
  group: row({
    kind: text(),
    default: "",
    short: "G",
    help: "Group that owns the unix socket (docker where it exists, else root)",
  }),
  host: row({
    kind: texts(hostAddress),
    default: [],
    short: "H",
    key: "hosts",
    help: "Where to listen: unix:///path or tcp://address:port; may be given often",
  }),
  "host-gateway-ip": row({
    kind: texts(ipAddress),
    default: [],
    key: "host-gateway-ips",
    help: "Addresses that host-gateway in --add-host means (those of the default bridge)",
  }),
  "http-proxy": row({
    kind: text(proxy),
    default: "",
    key: null,
    help: "Proxy for http addresses of registries (HTTP_PROXY of the daemon's environment)",
  }),
  "https-proxy": row({
    kind: text(proxy),
    default: "",
    key: null,
    help: "Proxy for https addresses of registries (HTTPS_PROXY of the daemon's environment)",
  }),
  icc: row({ kind: toggle, default: true, help: "Containers on the default bridge reach each other" }),
  "image-gc": row({
    kind: {
      ...pairs,
      fromFlag: (texts) => waterMarks(pairs.fromFlag(texts)),
      fromJson: (value) => waterMarks(pairs.fromJson(value)),
    },
    default: {},
    reloadable: true,
    help: "Remove long unused images when more than high is used, down to low: high=85%, low=70% of the disk, or sizes (high=200g); age=1h spares newer ones (off)",
  }),
  init: row({ kind: toggle, default: false, reloadable: true, help: "Run an init in containers that do not say" }),
  "init-path": row({ kind: text(), default: "", help: "Program of that init (found in PATH)" }),
  "insecure-registry": row({
    kind: texts(),
    default: [],
    key: "insecure-registries",
    reloadable: true,
    help: "Registry that may be spoken to without TLS",
  }),
  ip: row({
    kind: text(ipAddress),
    default: "0.0.0.0",
    help: "Host address of published ports that name none",
  }),
  "ip-forward": only(toggle, true, "bridges need forwarding in the kernel"),
  "ip-masq": row({
    kind: toggle,
    default: true,
    help: "Containers of the default bridge leave under the host's address",
  }),
  iptables: only(
    toggle,
    true,
    "bridges need firewall rules; they are in nftables tables of our own, others are not touched",
  ),
  ipv6: only(toggle, false, "IPv6 on the default bridge is not built in yet"),
  "fixed-cidr-v6": only(text(), "", "IPv6 on the default bridge is not built in yet"),
  label: row({
    kind: texts(),
    default: [],
    key: "labels",
    reloadable: true,
    help: "Label of this engine (name=value), shown by info",
  }),
  "layer-blobs": row({
    kind: oneOf("keep", "drop"),
    default: "keep",
    reloadable: true,
    help: "Compressed layers after unpacking: keep = a push gives the same bytes back at once; drop = those that a registry has are fetched again when needed",
  }),
  "layer-compression": row({
    kind: oneOf("gzip", "zstd"),
    default: "gzip",
    reloadable: true,
    help: "How layers made here are compressed when they are pushed: gzip or zstd",
  }),
  "log-driver": row({
    kind: text(),
    default: "json-file",
    reloadable: true,
    help: "Log driver of containers that do not say",
  }),
  "log-format": row({
    kind: oneOf("text", "json"),
    default: "text",
    help: "Format of the daemon's own log: text or json",
  }),
  "log-level": row({
    kind: oneOf(...logLevels),
    default: "info",
    short: "l",
    reloadable: true,
    help: `Level of the daemon's own log: ${logLevels.join(", ")}`,
  }),
  "log-opt": row({
    kind: pairs,
    default: {},
    key: "log-opts",
    reloadable: true,
    help: "Option of the default log driver (name=value)",
  }),
  "max-concurrent-downloads": row({
    kind: whole(),
    default: 3,
    reloadable: true,
    help: "Layers that are downloaded at a time",
  }),
  "max-concurrent-uploads": row({
    kind: whole(),
    default: 5,
    reloadable: true,
    help: "Layers that are uploaded at a time",
  }),
  "max-download-attempts": row({
    kind: whole(1),
    default: 5,
    reloadable: true,
    help: "Tries of a request to a registry that fails without progress",
  }),
  mirrors: row({
    kind: registryMirrors,
    default: {},
    fileOnly: true,
    reloadable: true,
    help: 'Mirrors of any registry, by prefix: {"ghcr.io/acme": ["https://mirror.example/acme"], "*": [...]}',
  }),
  "max-layer-size": row({
    kind: bytes,
    default: 128 * 1024 ** 3,
    help: "Bytes that one layer may hold unpacked; more is refused as an archive made to fill the disk",
  }),
  mtu: row({ kind: whole(0, 65535), default: 1500, help: "MTU of the default bridge, in bytes" }),
  "no-proxy": row({
    kind: text(),
    default: "",
    key: null,
    help: "Hosts, domains and CIDRs that are reached without a proxy, by commas (NO_PROXY of the daemon's environment)",
  }),
  "no-new-privileges": row({
    kind: toggle,
    default: false,
    reloadable: true,
    help: "Set no-new-privileges in containers that do not say",
  }),
  pidfile: row({ kind: text(), default: "/var/run/berth.pid", short: "p", help: "File that holds the daemon's pid" }),
  proxies: row({
    kind: proxies,
    default: { http: "", https: "", no: "" },
    fileOnly: true,
    help: "http-proxy, https-proxy and no-proxy in one object",
  }),
  registry: row({
    kind: pairs,
    default: {},
    help: "Serve a registry too: listen=HOST:PORT, and root=, anonymous=, config= as `berth registry serve` has them",
  }),
  "registry-certs": row({
    kind: texts(absolute),
    default: ["/etc/docker/certs.d", "/etc/berth/certs.d"],
    reloadable: true,
    help: "Folder with a folder per registry (name:port) of authorities (*.crt) and client certificates (*.cert, *.key)",
  }),
  "registry-mirror": row({
    kind: texts(mirrorAddress),
    default: [],
    key: "registry-mirrors",
    reloadable: true,
    help: "Mirror of Docker Hub that is asked first",
  }),
  "registry-stall-timeout": row({
    kind: whole(1),
    default: 30,
    reloadable: true,
    help: "Seconds without a byte after which a connection to a registry is given up and tried again",
  }),
  "seccomp-profile": row({
    kind: text(),
    default: "",
    help: "Seccomp profile file of containers that do not say; unconfined = none (the built-in one)",
  }),
  "shutdown-timeout": row({
    kind: whole(-1),
    default: 15,
    reloadable: true,
    help: "Seconds that requests get to end when the daemon stops; containers go on",
  }),
  tls: row({ kind: toggle, default: false, help: "TLS on tcp hosts; implied by --tlsverify" }),
  tlscacert: row({
    kind: text(),
    default: "/etc/berth/tls/ca.pem",
    help: "Trust only client certificates signed by this authority",
  }),
  tlscert: row({ kind: text(), default: "/etc/berth/tls/cert.pem", help: "Certificate of the daemon" }),
  tlskey: row({ kind: text(), default: "/etc/berth/tls/key.pem", help: "Key of that certificate" }),
  tlsverify: row({ kind: toggle, default: false, help: "TLS, and clients must show a certificate" }),
  validate: row({ kind: toggle, default: false, key: null, help: "Check the configuration and end" }),
  version: row({ kind: toggle, default: false, short: "v", key: null, help: "Print the version and end" }),

  "allow-nondistributable-artifacts": ignored(texts(), [], "all layers are treated alike"),
  "api-cors-header": ignored(text(), "", "the API takes no calls from web pages"),
  "authorization-plugin": only(texts(), [], "plugins are not built in yet", { key: "authorization-plugins" }),
  bip6: only(text(), "", "IPv6 on the default bridge is not built in yet"),
  bridge: ignored(text(), "", "the default bridge is the engine's own", { short: "b" }),
  builder: ignored<unknown>(
    { word: "object", repeatable: false, fromFlag: () => undefined, fromJson: (value) => value, show: String },
    undefined,
    "builds are not built in yet",
    { fileOnly: true },
  ),
  "cdi-spec-dir": ignored(texts(), [], "CDI devices are not built in yet", { key: "cdi-spec-dirs" }),
  containerd: ignored(text(), "", noContainerd),
  "containerd-namespace": ignored(text(), "", noContainerd),
  "containerd-plugins-namespace": ignored(text(), "", noContainerd, { key: "containerd-plugin-namespace" }),
  "cpu-rt-period": ignored(whole(), 0, "real-time scheduling of cgroups is left to the runtime"),
  "cpu-rt-runtime": ignored(whole(), 0, "real-time scheduling of cgroups is left to the runtime"),
  "cri-containerd": ignored(toggle, false, noContainerd),
  "default-gateway": ignored(text(), "", "the default bridge is its containers' gateway"),
  "default-gateway-v6": ignored(text(), "", "the default bridge is its containers' gateway"),
  "default-network-opt": row({
    kind: driverOptions,
    default: [],
    key: "default-network-opts",
    help: "Option of new networks of a driver (bridge=com.docker.network.driver.mtu=1400)",
  }),
  "exec-opt": ignored(texts(), [], "the cgroup driver is cgroupfs", { key: "exec-opts" }),
  experimental: ignored(toggle, false, "nothing is hidden behind it"),
  feature: ignored(switches, {}, "nothing is hidden behind it", { key: "features" }),
  "firewall-backend": ignored(text(), "", "the firewall is nftables"),
  "ip-forward-no-drop": ignored(toggle, false, "the policy of foreign firewall tables is never touched"),
  ip6tables: ignored(toggle, true, "--iptables covers both families"),
  "live-restore": ignored(toggle, true, "containers always go on while the daemon is away"),
  "metrics-addr": ignored(text(), "", "metrics for Prometheus are not built in yet"),
  "network-control-plane-mtu": ignored(whole(), 1500, noSwarm),
  "node-generic-resource": ignored(texts(), [], noSwarm, { key: "node-generic-resources" }),
  "oom-score-adjust": ignored(whole(-1000, 1000), 0, "set it where the daemon is started"),
  "raw-logs": ignored(toggle, false, "the log has no colours"),
  rootless: only(toggle, false, "the daemon needs root"),
  "selinux-enabled": only(toggle, false, "SELinux labels are not built in yet"),
  "storage-driver": ignored(text(), "", "the storage driver is overlay2", { short: "s" }),
  "storage-opt": ignored(texts(), [], "the storage driver has no options", { key: "storage-opts" }),
  "swarm-default-advertise-addr": ignored(text(), "", noSwarm),
  "userland-proxy": ignored(toggle, false, noProxy),
  "userland-proxy-path": ignored(text(), "", noProxy),
  "userns-remap": only(text(), "", "user namespaces for all containers are not built in yet"),
} satisfies Record<string, ConfigRow<never> | ConfigRow<unknown> | object>;

export type ConfigName = keyof typeof configTable;
/** The settings, by flag name. */
export type Config = {
  readonly [Name in ConfigName]: (typeof configTable)[Name] extends ConfigRow<infer T> ? T : never;
};

/** The rows without their types, for loops over them. */
export const configRows = Object.entries(configTable) as unknown as readonly (readonly [
  ConfigName,
  ConfigRow<unknown>,
])[];

function waterMarks(value: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  readWaterMarks(value);
  return value;
}

function optionalCidr(value: string): void {
  if (value !== "") cidr(value);
}

function absolute(value: string): void {
  if (!value.startsWith("/")) throw new Error(`must be an absolute path: ${JSON.stringify(value)}`);
}

function hostAddress(value: string): void {
  if (value.startsWith("fd://"))
    throw new Error(`${value}: sockets of systemd are not taken over, use unix:///run/berth.sock`);
  if (value.startsWith("unix://")) return absolute(value.slice("unix://".length));
  const [, , port] = /^tcp:\/\/(\[[0-9a-fA-F:]+\]|[^/:]*)(?::(\d{1,5}))?\/?$/.exec(value) ?? [];
  if (
    !value.startsWith("tcp://") ||
    !/^tcp:\/\/(\[[0-9a-fA-F:]+\]|[^/:]*)(:\d{1,5})?\/?$/.test(value) ||
    Number(port ?? 0) > 65535
  ) {
    throw new Error(`invalid bind address (${value}): want unix:///path or tcp://address:port`);
  }
}

function proxy(value: string): void {
  if (value === "") return;
  const url = URL.parse(value.includes("://") ? value : `http://${value}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === "")
    throw new Error("is not the address of an http or https proxy"); // not shown: it may hold a password
}
