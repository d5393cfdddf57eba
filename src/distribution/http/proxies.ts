import { BlockList, isIP } from "node:net";

/** Addresses of proxies, and what goes past them. Empty: none. */
export interface ProxySettings {
  readonly http: string;
  readonly https: string;
  /** Names, `.suffixes`, addresses, CIDRs, each with an optional `:port`; `*` for all. */
  readonly no: string;
}

/** The settings of a process's environment; small letters win, as in Go's and curl's reading. */
export function proxiesOf(env: Readonly<Record<string, string | undefined>>): ProxySettings {
  const value = (name: string): string => env[name.toLowerCase()] || env[name] || "";
  return { http: value("HTTP_PROXY"), https: value("HTTPS_PROXY"), no: value("NO_PROXY") };
}

/** The proxy for an address, undefined for a direct connection. The rules are Go's (golang.org/x/net/http/httpproxy). */
export function proxyFor(url: URL, settings: ProxySettings): string | undefined {
  const proxy = url.protocol === "https:" ? settings.https : settings.http;
  if (proxy === "" || goesDirect(url, settings.no)) return undefined;
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

function goesDirect(url: URL, rules: string): boolean {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const family = isIP(host);
  if (host === "localhost" || isLoopback(host, family)) return true;
  return rules
    .split(",")
    .map((rule) => rule.trim().toLowerCase())
    .some((rule) => rule !== "" && (rule === "*" || matches(rule, { host, port, family })));
}

function matches(rule: string, { host, port, family }: { host: string; port: string; family: number }): boolean {
  if (rule.includes("/")) return family !== 0 && inSubnet(host, rule);
  const [, bracketed, plain, rulePort] = /^(?:\[(.+)\]|([^:]+|[^:]*:[^:]*:.*?))(?::(\d+))?$/.exec(rule) ?? [];
  const name = bracketed ?? plain ?? rule;
  if (rulePort !== undefined && rulePort !== port) return false;
  if (family !== 0 || isIP(name) !== 0) return name === host;
  const bare = name.replace(/^\*?\./, "");
  return host.endsWith(`.${bare}`) || (!name.startsWith(".") && !name.startsWith("*.") && host === bare);
}

const isLoopback = (host: string, family: number): boolean =>
  (family === 4 && host.startsWith("127.")) || (family === 6 && host === "::1");

/** Whether an address lies in a CIDR; false for what is none. */
export function inSubnet(address: string, cidr: string): boolean {
  const [net = "", bits = ""] = cidr.split("/");
  const family = isIP(net);
  if (family === 0 || family !== isIP(address) || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128))
    return false;
  const list = new BlockList();
  list.addSubnet(net, Number(bits), family === 4 ? "ipv4" : "ipv6");
  return list.check(address, family === 4 ? "ipv4" : "ipv6");
}
