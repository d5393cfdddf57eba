import { EngineError } from "../../base/errors.ts";
import type { EndpointSettings } from "../../spec/engine/types.gen.ts";
import { parseCsvLine } from "./csv.ts";

/** One `--network`: `bridge`, `container:x`, or `name=x,alias=y,ip=1.2.3.4,...`. */
export interface NetworkAttachment {
  target: string;
  aliases: string[];
  driverOptions: Record<string, string>;
  linkLocalAddresses: string[];
  ipv4?: string;
  ipv6?: string;
  macAddress?: string;
  gatewayPriority?: number;
  /** Written in the long form. */
  readonly long: boolean;
}

const invalid = (message: string, value: string): EngineError => new EngineError("invalid", message, { value });

/** Reads a `--network` value with docker's texts. */
export function parseNetwork(text: string): NetworkAttachment {
  const long = /[0-9A-Za-z_]+=[0-9A-Za-z_]+/.test(text);
  const attachment: NetworkAttachment = {
    target: long ? "" : text,
    aliases: [],
    driverOptions: {},
    linkLocalAddresses: [],
    long,
  };
  if (!long) return attachment;
  for (const field of parseCsvLine(text)) {
    const equals = field.indexOf("=");
    if (equals <= 0) throw invalid(`invalid field: ${field}`, text);
    // docker lowers values too; names of networks and aliases are lost to it in upper case.
    setField(
      attachment,
      field.slice(0, equals).toLowerCase().trim(),
      field
        .slice(equals + 1)
        .toLowerCase()
        .trim(),
      text,
    );
  }
  if (attachment.target === "") throw invalid("network name/id is not specified", text);
  return attachment;
}

function setField(attachment: NetworkAttachment, key: string, value: string, text: string): void {
  switch (key) {
    case "name":
      attachment.target = value;
      return;
    case "alias":
      attachment.aliases.push(value);
      return;
    case "ip":
      attachment.ipv4 = value;
      return;
    case "ip6":
      attachment.ipv6 = value;
      return;
    case "mac-address":
      attachment.macAddress = value;
      return;
    case "link-local-ip":
      attachment.linkLocalAddresses.push(value);
      return;
    case "driver-opt": {
      const equals = value.indexOf("=");
      if (equals <= 0) throw invalid("invalid key value pair format in driver options", text);
      attachment.driverOptions[value.slice(0, equals).trim()] = value.slice(equals + 1).trim();
      return;
    }
    case "gw-priority":
      if (!/^[+-]?\d+$/.test(value)) throw invalid(`invalid gw-priority (${value}): invalid syntax`, text);
      attachment.gatewayPriority = Number(value);
      return;
    default:
      throw invalid(`invalid field key ${key}`, text);
  }
}

/** The endpoint of an attachment as the API takes it. */
export function endpointSettings(attachment: NetworkAttachment): EndpointSettings {
  const { aliases, driverOptions, linkLocalAddresses, ipv4, ipv6, macAddress, gatewayPriority } = attachment;
  const settings: EndpointSettings = {};
  if (aliases.length > 0) settings.Aliases = aliases;
  if (Object.keys(driverOptions).length > 0) settings.DriverOpts = driverOptions;
  if (ipv4 !== undefined || ipv6 !== undefined || linkLocalAddresses.length > 0) {
    settings.IPAMConfig = {
      ...(ipv4 === undefined ? {} : { IPv4Address: ipv4 }),
      ...(ipv6 === undefined ? {} : { IPv6Address: ipv6 }),
      ...(linkLocalAddresses.length === 0 ? {} : { LinkLocalIPs: linkLocalAddresses }),
    };
  }
  if (macAddress !== undefined) settings.MacAddress = macAddress;
  if (gatewayPriority !== undefined) settings.GwPriority = gatewayPriority;
  return settings;
}
