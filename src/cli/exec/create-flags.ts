import type { FlagTable, FlagValues } from "../command.ts";
import { checkLabel } from "../values/label.ts";
import { parseMount } from "../values/mount.ts";
import { parseNetwork } from "../values/network.ts";
import { parseThrottleBps, parseThrottleIops, parseWeightDevice } from "../values/throttle.ts";
import { parseUlimit } from "../values/ulimit.ts";
import { resourceFlags } from "./resource-flags.ts";
import {
  checkAttach,
  checkDnsSearch,
  checkEnv,
  checkExtraHost,
  checkGpus,
  checkIp,
  checkLink,
  checkSysctl,
} from "./value-checks.ts";

/** Whatever a parser of ../values/ throws is the verdict on the flag. */
const by =
  (parse: (value: string) => unknown) =>
  (value: string): void => {
    parse(value);
  };

const processFlags = {
  attach: { type: "list", short: "a", check: checkAttach, help: "Attach to STDIN, STDOUT or STDERR" },
  entrypoint: { type: "string", help: "Replace the image's ENTRYPOINT" },
  env: { type: "list", short: "e", check: checkEnv, help: "Set environment variables" },
  "env-file": { type: "list", complete: "file", help: "Read environment variables from a file" },
  "group-add": { type: "list", help: "Further groups to join" },
  hostname: { type: "string", short: "h", help: "Host name of the container" },
  domainname: { type: "string", help: "NIS domain name of the container" },
  init: { type: "bool", help: "Run an init in the container that forwards signals and reaps processes" },
  interactive: { type: "bool", short: "i", help: "Keep STDIN open even if not attached" },
  "stop-signal": { type: "string", help: "Signal that stops the container" },
  "stop-timeout": { type: "int", help: "Seconds to wait before the container is killed" },
  tty: { type: "bool", short: "t", help: "Allocate a pseudo-TTY" },
  user: { type: "string", short: "u", help: "User name or UID (format: <name|uid>[:<group|gid>])" },
  workdir: { type: "string", short: "w", help: "Working directory inside the container" },
} as const satisfies FlagTable;

const identityFlags = {
  annotation: {
    type: "list",
    valueName: "map",
    defaultText: "map[]",
    help: "Annotation, passed on to the OCI runtime",
  },
  cidfile: { type: "string", complete: "file", help: "Write the container's ID to this file" },
  label: { type: "list", short: "l", check: checkLabel, help: "Set metadata on the container" },
  "label-file": { type: "list", complete: "file", help: "Read labels from a file, one a line" },
  name: { type: "string", help: "Name of the container" },
  platform: { type: "string", help: "Platform, where the engine can run several" },
  pull: {
    type: "string",
    default: "missing",
    complete: ["always", "missing", "never"],
    help: 'Pull the image before ("always", "missing", "never")',
  },
  quiet: { type: "bool", short: "q", help: "No output of the pull" },
  restart: {
    type: "string",
    default: "no",
    complete: ["always", "no", "on-failure", "unless-stopped"],
    help: "What to do when the container exits",
  },
  rm: { type: "bool", help: "Remove the container and its anonymous volumes when it exits" },
  runtime: { type: "string", help: "OCI runtime of this container" },
  "disable-content-trust": {
    type: "bool",
    default: true,
    defaultText: "true",
    help: "Skip verification of image signatures",
  },
  isolation: { type: "string", help: "Isolation technology" },
} as const satisfies FlagTable;

const healthFlags = {
  "health-cmd": { type: "string", help: "Command that checks the health" },
  "health-interval": { type: "duration", defaultText: "0s", help: "Time between two checks (ms|s|m|h)" },
  "health-on-failure": {
    type: "string",
    complete: ["none", "kill", "restart", "stop"],
    help: "What to do when the container turns unhealthy (none|kill|restart|stop)",
  },
  "health-retries": { type: "int", help: "Failures in a row that make it unhealthy" },
  "health-start-interval": {
    type: "duration",
    defaultText: "0s",
    help: "Time between two checks in the start period (ms|s|m|h)",
  },
  "health-start-period": {
    type: "duration",
    defaultText: "0s",
    help: "Time to start in, before failures count (ms|s|m|h)",
  },
  "health-timeout": { type: "duration", defaultText: "0s", help: "Longest time of one check (ms|s|m|h)" },
  "no-healthcheck": { type: "bool", help: "Switch off the image's HEALTHCHECK" },
} as const satisfies FlagTable;

const networkFlags = {
  "add-host": { type: "list", check: checkExtraHost, help: "Add a line to /etc/hosts (host:ip)" },
  dns: { type: "list", check: checkIp, help: "DNS servers" },
  "dns-opt": { type: "list", hidden: true, help: "DNS options" },
  "dns-option": { type: "list", help: "DNS options" },
  "dns-search": { type: "list", check: checkDnsSearch, help: "DNS search domains" },
  "egress-allow": {
    type: "list",
    valueName: "destination",
    help: "The only subnets, addresses and DNS names outside its networks that it may reach",
  },
  expose: { type: "list", help: "Expose a port or a range of ports" },
  ip: { type: "string", help: "IPv4 address (172.30.100.104)" },
  ip6: { type: "string", help: "IPv6 address (2001:db8::33)" },
  link: { type: "list", complete: "container", check: checkLink, help: "Link to another container" },
  "link-local-ip": { type: "list", check: checkIp, help: "Link-local addresses of the container" },
  "mac-address": { type: "string", help: "MAC address (92:d0:c6:0a:29:33)" },
  net: {
    type: "list",
    valueName: "network",
    hidden: true,
    check: by(parseNetwork),
    help: "Connect the container to a network",
  },
  "net-alias": { type: "list", hidden: true, help: "Alias of the container in its network" },
  "net-rate": { type: "string", valueName: "in=10mbit,out=1mbit", help: "How fast its network is, in bits a second" },
  network: {
    type: "list",
    valueName: "network",
    complete: "network",
    check: by(parseNetwork),
    help: "Connect the container to a network",
  },
  "network-alias": { type: "list", help: "Alias of the container in its network" },
  publish: { type: "list", short: "p", help: "Publish ports of the container on the host" },
  "publish-all": { type: "bool", short: "P", help: "Publish every exposed port on a random port" },
} as const satisfies FlagTable;

const storageFlags = {
  device: { type: "list", complete: "file", help: "Give a device of the host to the container" },
  "device-cgroup-rule": { type: "list", help: "Rule for the devices the container may use" },
  gpus: {
    type: "string",
    valueName: "gpu-request",
    check: checkGpus,
    help: "GPUs to give to the container ('all' for every GPU)",
  },
  mount: { type: "list", valueName: "mount", check: by(parseMount), help: "Attach a mount to the container" },
  "read-only": { type: "bool", help: "Mount the container's root read-only" },
  "shm-size": { type: "bytes", help: "Size of /dev/shm" },
  "storage-opt": { type: "list", help: "Options of the storage driver" },
  tmpfs: { type: "list", help: "Mount a tmpfs" },
  volume: { type: "list", short: "v", complete: "volume", help: "Mount a volume or a path of the host" },
  "volume-driver": { type: "string", help: "Volume driver of the container" },
  "volumes-from": { type: "list", complete: "container", help: "Mount the volumes of other containers" },
} as const satisfies FlagTable;

const isolationFlags = {
  "cap-add": { type: "list", help: "Add Linux capabilities" },
  "cap-drop": { type: "list", help: "Drop Linux capabilities" },
  "cgroup-parent": { type: "string", help: "Parent cgroup" },
  cgroupns: { type: "string", complete: ["host", "private"], help: "Cgroup namespace (host|private)" },
  ipc: { type: "string", help: "IPC mode" },
  "log-driver": { type: "string", help: "Log driver of the container" },
  "log-opt": { type: "list", help: "Options of the log driver" },
  pid: { type: "string", help: "PID namespace" },
  privileged: { type: "bool", help: "Give every privilege to the container" },
  "security-opt": { type: "list", help: "Security options" },
  sysctl: {
    type: "list",
    valueName: "map",
    defaultText: "map[]",
    check: checkSysctl,
    help: "Kernel settings of the container's namespaces",
  },
  userns: { type: "string", help: "User namespace" },
  uts: { type: "string", help: "UTS namespace" },
} as const satisfies FlagTable;

const limitFlags = {
  "blkio-weight-device": {
    type: "list",
    defaultText: "[]",
    check: by(parseWeightDevice),
    help: "Weight of block IO for one device",
  },
  "device-read-bps": {
    type: "list",
    defaultText: "[]",
    check: by(parseThrottleBps),
    help: "Bytes a second to read from a device",
  },
  "device-read-iops": {
    type: "list",
    defaultText: "[]",
    check: by(parseThrottleIops),
    help: "Reads a second from a device",
  },
  "device-write-bps": {
    type: "list",
    defaultText: "[]",
    check: by(parseThrottleBps),
    help: "Bytes a second to write to a device",
  },
  "device-write-iops": {
    type: "list",
    defaultText: "[]",
    check: by(parseThrottleIops),
    help: "Writes a second to a device",
  },
  "cpu-count": { type: "int", help: "Number of CPUs (Windows only)" },
  "cpu-percent": { type: "int", help: "Share of CPU in percent (Windows only)" },
  "io-maxbandwidth": { type: "bytes", help: "Limit of IO bandwidth of the system drive (Windows only)" },
  "io-maxiops": { type: "int", valueName: "uint", help: "Limit of IO operations of the system drive (Windows only)" },
  "kernel-memory": { type: "bytes", help: "Limit of kernel memory (ignored by current kernels)" },
  "memory-swappiness": { type: "int", default: -1, help: "Tendency to swap (0 to 100)" },
  "oom-kill-disable": { type: "bool", help: "Switch off the OOM killer" },
  "oom-score-adj": { type: "int", help: "Preference of the host's OOM killer (-1000 to 1000)" },
  ulimit: {
    type: "list",
    valueName: "ulimit",
    defaultText: "[]",
    check: by(parseUlimit),
    help: "Resource limits of the processes",
  },
} as const satisfies FlagTable;

/** The flags of `create`, which `run` has too. */
export const createFlags = {
  ...processFlags,
  ...identityFlags,
  ...healthFlags,
  ...networkFlags,
  ...storageFlags,
  ...isolationFlags,
  ...resourceFlags,
  ...limitFlags,
} as const satisfies FlagTable;

export type CreateValues = FlagValues<typeof createFlags>;
