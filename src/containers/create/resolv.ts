import { isIP } from "node:net";
import { EngineError } from "../../base/errors.ts";
import type { HostConfig } from "../../spec/engine/types.gen.ts";
import type { ResolvPlan } from "../plan.ts";
import type { CreateContext } from "./defaults.ts";
import { containerOf } from "./namespaces.ts";

/** Names and addresses for resolv.conf and hosts. Links only for the default bridge; user networks have aliases. */
export function planResolv(host: HostConfig, context: CreateContext, linksApply: boolean): ResolvPlan {
  const { defaults } = context;
  const first = (own: readonly string[] | null | undefined, fallback: readonly string[]): readonly string[] =>
    own?.length ? own : fallback;
  const nameservers = first(host.Dns, defaults.dns);
  for (const address of nameservers) {
    if (isIP(address) === 0) throw new EngineError("invalid", `bad nameserver address: "${address}"`, { address });
  }
  return {
    nameservers,
    // moby parity: a single `.` asks for no search line at all
    search: words(first(host.DnsSearch, defaults.dnsSearch), "dns search domain").filter((domain) => domain !== "."),
    options: words(first(host.DnsOptions, defaults.dnsOptions), "dns option"),
    extraHosts: (host.ExtraHosts ?? []).flatMap((row) => extraHost(row, defaults.hostGatewayIps)),
    links: linksApply ? (host.Links ?? []).map((row) => planLink(row, context)) : [],
  };
}

/** Throws Docker's texts. */
export function checkExtraHost(row: string): { name: string; ip: string } {
  const colon = row.indexOf(":");
  if (colon < 1) throw new EngineError("invalid", `bad format for add-host: "${row}"`, { row });
  const name = row.slice(0, colon);
  const ip = row.slice(colon + 1);
  if (/\s/.test(name)) throw new EngineError("invalid", `bad format for add-host: "${row}"`, { row });
  if (ip !== "host-gateway" && isIP(ip.trim()) === 0)
    throw new EngineError("invalid", `invalid IP address in add-host: "${ip}"`, { row });
  return { name, ip: ip.trim() };
}

function extraHost(row: string, gateways: readonly string[]): string[] {
  const { name, ip } = checkExtraHost(row);
  if (ip !== "host-gateway") return [`${name}:${ip}`];
  if (gateways.length === 0) throw new EngineError("invalid", "unable to derive the IP value for host-gateway");
  return gateways.map((gateway) => `${name}:${gateway}`);
}

function planLink(row: string, context: CreateContext): ResolvPlan["links"][number] {
  if (row === "") throw new EngineError("invalid", "empty string specified for links");
  const [rawName = "", rawAlias, ...more] = row.split(":");
  if (more.length > 0) throw new EngineError("invalid", `bad format for links: ${row}`, { link: row });
  const name = rawName.replace(/^\//, "");
  // inspect writes links as /name:/owner/alias, and clients send that back
  const alias = rawAlias?.split("/").at(-1) || name;
  // it becomes a word of /etc/hosts
  if (!/^[\w.-]+$/.test(alias)) throw new EngineError("invalid", `bad format for links: ${row}`, { link: row });
  try {
    let child = context.containers(name);
    for (let hop = 0; hop < 16; hop += 1) {
      const shared = containerOf(child.request.hostConfig.NetworkMode);
      if (shared === undefined) break;
      child = context.containers(shared);
    }
    if (child.plan.network.mode === "host") {
      throw new EngineError(
        "invalid",
        "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
      );
    }
    return { containerId: child.id, alias };
  } catch (error) {
    if (!(error instanceof EngineError) || error.kind !== "not-found") throw error;
    throw new EngineError(
      "invalid",
      `could not get container for ${name}: ${error.message}`,
      { link: row },
      { cause: error },
    );
  }
}

/** A line break in one of them would write lines of its own into resolv.conf. */
function words(list: readonly string[], what: string): readonly string[] {
  for (const word of list) {
    if (word === "" || /[\s\0]/.test(word)) throw new EngineError("invalid", `invalid ${what}: "${word}"`, { word });
  }
  return list;
}
