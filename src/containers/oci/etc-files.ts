import { isIP } from "node:net";
import type { ResolvPlan } from "../plan.ts";

/** One line of /etc/hosts. */
export interface HostsRow {
  readonly ip: string;
  readonly names: readonly string[];
}

const ipv4Rows: readonly HostsRow[] = [{ ip: "127.0.0.1", names: ["localhost"] }];
const ipv6Rows: readonly HostsRow[] = [
  { ip: "::1", names: ["localhost", "ip6-localhost", "ip6-loopback"] },
  { ip: "fe00::", names: ["ip6-localnet"] },
  { ip: "ff00::", names: ["ip6-mcastprefix"] },
  { ip: "ff02::1", names: ["ip6-allnodes"] },
  { ip: "ff02::2", names: ["ip6-allrouters"] },
];

export interface HostsInput {
  readonly hostname: string;
  readonly domainname: string;
  /** Own addresses, one per endpoint, in the order of the interfaces. */
  readonly addresses: readonly string[];
  /** `name:ip` rows. */
  readonly extraHosts: readonly string[];
  /** Running linked containers on the default bridge. */
  readonly links: readonly {
    readonly ip: string;
    readonly alias: string;
    readonly name: string;
    readonly hostname: string;
  }[];
  readonly ipv6: boolean;
  /** The host's own file, for a container with the host's network: it stands in place of the fixed rows. */
  readonly hostFile?: string;
}

/** Content of /etc/hosts: the fixed rows, extra hosts, links, own name (moby parity, with its order and tabs). */
export function hostsFile(input: HostsInput): string {
  const fixed = input.ipv6 ? [...ipv4Rows, ...ipv6Rows] : ipv4Rows;
  const extra = input.extraHosts.map((row) => ({
    ip: row.slice(row.indexOf(":") + 1),
    names: [row.slice(0, row.indexOf(":"))],
  }));
  const links = input.links.map(({ ip, alias, name, hostname }) => ({
    ip,
    names: [...new Set([alias, hostname, name])],
  }));
  const names = input.domainname ? [`${input.hostname}.${input.domainname}`, input.hostname] : ownNames(input.hostname);
  const own = input.addresses.map((ip) => ({ ip, names }));
  const shown = [...fixed, ...extra, ...links, ...own].filter(
    ({ ip }) => input.ipv6 || isIP(ip) !== 6 || extra.some((row) => row.ip === ip),
  );
  const { hostFile } = input;
  const rows = hostFile ? shown.slice(fixed.length) : shown;
  const base = hostFile ? `${hostFile.replace(/\n*$/, "")}\n` : "";
  return base + rows.map(({ ip, names: words }) => `${ip}\t${words.join(" ")}\n`).join("");
}

/** A host name with dots is known by its first part, too. */
function ownNames(hostname: string): readonly string[] {
  const [first = "", rest] = hostname.split(/\.(.*)/s);
  return rest ? [hostname, first] : [hostname];
}

/** Content of /etc/hostname. */
export const hostnameFile = (hostname: string): string => `${hostname}\n`;

const fallbackIpv4 = ["8.8.8.8", "8.8.4.4"];
const fallbackIpv6 = ["2001:4860:4860::8888", "2001:4860:4860::8844"];

export interface ResolvInput {
  readonly resolv: Pick<ResolvPlan, "nameservers" | "search" | "options">;
  /** The host's resolv.conf as it is. */
  readonly hostFile: string;
  /** The network's own server (127.0.0.11): then only it is listed, and it asks the others. Empty = none. */
  readonly internal: readonly string[];
  /** The container has the host's network namespace: its loopback servers work there. */
  readonly hostNetwork: boolean;
  /** A container without IPv6 is not given IPv6 servers of the host. */
  readonly ipv6: boolean;
}

/** Content of resolv.conf, without Docker's comment lines. */
export function resolvFile(input: ResolvInput): string {
  const host = parseResolv(input.hostFile);
  const { resolv, internal } = input;
  const search = resolv.search.length > 0 ? resolv.search : host.search;
  const given = resolv.options.length > 0 ? resolv.options : host.options;
  // moby parity: the internal server must see single-label names first
  const options =
    internal.length > 0 && !given.some((option) => option.startsWith("ndots:")) ? [...given, "ndots:0"] : given;
  return [
    ...(internal.length > 0 ? internal : nameservers(input)).map((address) => `nameserver ${address}\n`),
    ...(search.length > 0 ? [`search ${search.join(" ")}\n`] : []),
    ...(options.length > 0 ? [`options ${options.join(" ")}\n`] : []),
    ...(host.other.length > 0 ? [`${host.other.join("\n")}\n`] : []),
  ].join("");
}

/** Servers that names go to in the end: `--dns`, else the host's that can be reached from a container, else fixed ones. */
export function nameservers(input: Omit<ResolvInput, "internal">): readonly string[] {
  if (input.resolv.nameservers.length > 0) return input.resolv.nameservers;
  const host = parseResolv(input.hostFile).nameservers;
  if (input.hostNetwork) return host;
  const reachable = host.filter((address) => !isLoopback(address) && (input.ipv6 || isIP(address) === 4));
  if (reachable.length > 0) return reachable;
  return input.ipv6 ? [...fallbackIpv4, ...fallbackIpv6] : fallbackIpv4;
}

const isLoopback = (address: string): boolean => address.startsWith("127.") || address === "::1";

interface Resolv {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
  readonly other: readonly string[];
}

/** resolv.conf(5): comments start with # or ;, the last search (or domain) counts, options add up. */
export function parseResolv(text: string): Resolv {
  const found = { nameservers: [] as string[], search: [] as string[], options: [] as string[], other: [] as string[] };
  for (const line of text.split("\n")) {
    const [keyword, ...words] = line.trim().split(/\s+/);
    if (!keyword || /^[#;]/.test(keyword)) continue;
    if (keyword === "nameserver") {
      const [address = ""] = words;
      if (isIP(address) !== 0) found.nameservers.push(address);
    } else if (keyword === "search" || keyword === "domain") {
      found.search = words;
    } else if (keyword === "options") {
      found.options.push(...words);
    } else {
      found.other.push(line);
    }
  }
  return found;
}
