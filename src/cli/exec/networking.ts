import type { EndpointSettings } from "../../spec/engine/types.gen.ts";
import { endpointSettings, parseNetwork, type NetworkAttachment } from "../values/network.ts";
import type { CreateValues } from "./create-flags.ts";

/** The endpoints of the networks asked for. --ip, --link, --network-alias and kin belong to the first network. */
export function networking(flags: CreateValues): Record<string, EndpointSettings> {
  const attachments = [...flags.network, ...flags.net].map(parseNetwork);
  const alone = attachments.length < 2;
  const first = attachments[0] ?? {
    target: "default",
    aliases: [],
    driverOptions: {},
    linkLocalAddresses: [],
    long: false,
  };
  const endpoints: Record<string, EndpointSettings> = {};
  for (const attachment of attachments.length === 0 ? [first] : attachments) {
    if (Object.hasOwn(endpoints, attachment.target))
      throw new Error(`network "${attachment.target}" is specified multiple times`);
    const links = attachment === first ? applyFlags(attachment, flags) : [];
    checkScoped(attachment);
    const settings = endpointSettings(attachment);
    if (links.length > 0) settings.Links = links;
    // the daemon makes an endpoint without wishes itself
    if (alone && Object.keys(settings).length === 0) continue;
    endpoints[attachment.target] = settings;
  }
  const kinds = new Set(attachments.map(({ target }) => isUserDefined(target)));
  if (kinds.size > 1)
    throw new Error("conflicting options: cannot attach both user-defined and non-user-defined network-modes");
  return endpoints;
}

const isUserDefined = (target: string): boolean => !/^(default|bridge|host|none|container:.*)$/.test(target);

function applyFlags(attachment: NetworkAttachment, flags: CreateValues): string[] {
  const aliases = [...flags["network-alias"], ...flags["net-alias"]];
  const clash = (flag: string, what: string) =>
    new Error(`conflicting options: cannot specify both --${flag} and per-network ${what}`);
  if (aliases.length > 0) {
    if (attachment.aliases.length > 0) throw clash("network-alias", "alias");
    attachment.aliases = aliases;
  }
  if (flags.ip !== undefined) {
    if (attachment.ipv4 !== undefined) throw clash("ip", "IPv4 address");
    attachment.ipv4 = flags.ip;
  }
  if (flags.ip6 !== undefined) {
    if (attachment.ipv6 !== undefined) throw clash("ip6", "IPv6 address");
    attachment.ipv6 = flags.ip6;
  }
  if (flags["mac-address"] !== undefined) {
    if (attachment.macAddress !== undefined) throw clash("mac-address", "MAC address");
    attachment.macAddress = flags["mac-address"];
  }
  if (flags["link-local-ip"].length > 0) {
    if (attachment.linkLocalAddresses.length > 0) throw clash("link-local-ip", "link-local IP addresses");
    attachment.linkLocalAddresses = flags["link-local-ip"];
  }
  return isUserDefined(attachment.target) ? flags.link : [];
}

function checkScoped({ target, aliases }: NetworkAttachment): void {
  if (target.trim() === "") throw new Error("no name set for network");
  if (aliases.length > 0 && !isUserDefined(target))
    throw new Error("network-scoped aliases are only supported for user-defined networks");
}
