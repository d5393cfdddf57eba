import { createHash } from "node:crypto";
import { EngineError } from "../base/errors.ts";
import { nowNs } from "../base/clock.ts";
import { cidrOf, formatCidr, formatIp, overlaps, parseCidr } from "../base/ip.ts";
import { newId } from "../base/id.ts";
import { bridgeOptions } from "./bridge/bridge.ts";
import type { KnownNetwork } from "./driver.ts";
import { type AddressPoolConfig, chooseSubnet, defaultBridgePools } from "./ipam/choose-subnet.ts";
import type { Pool } from "./network.ts";
import type { Survey } from "./sandbox/commands.ts";

export interface PredefinedSettings {
  readonly bridge: string;
  readonly mtu: number;
  readonly ipv6: boolean;
  readonly bip: string | undefined;
  readonly fixedCidr: string | undefined;
  readonly icc: boolean;
  readonly masquerade: boolean;
  readonly bindAddress: string;
  readonly pools: readonly AddressPoolConfig[] | undefined;
}

const base = {
  internal: false,
  attachable: false,
  enableIpv4: true,
  enableIpv6: false,
  labels: {},
  options: {},
  userSubnets: false,
  hiddenIpv6Subnet: "",
  pending: false,
  predefined: true,
  ipam: { driver: "default", options: {}, pools: [] },
} as const;

/** The networks `none` and `host`. */
export const plainNetwork = (name: "none" | "host"): KnownNetwork => ({
  ...base,
  id: newId(),
  name,
  driver: name === "none" ? "null" : "host",
  createdAtNs: nowNs(),
});

/** The network `bridge`, made anew or with the id it had. */
export function defaultBridge(
  settings: PredefinedSettings,
  survey: Survey,
  previous: KnownNetwork | undefined,
): KnownNetwork {
  const id = previous?.id ?? newId();
  return {
    ...base,
    id,
    name: "bridge",
    driver: "bridge",
    createdAtNs: previous?.createdAtNs ?? nowNs(),
    hiddenIpv6Subnet: settings.ipv6 ? hiddenSubnet(settings.bridge, id) : "",
    options: {
      [bridgeOptions.defaultBridge]: "true",
      [bridgeOptions.icc]: String(settings.icc),
      [bridgeOptions.masquerade]: String(settings.masquerade),
      [bridgeOptions.hostBinding]: settings.bindAddress,
      [bridgeOptions.name]: settings.bridge,
      [bridgeOptions.mtu]: String(settings.mtu),
    },
    ipam: { driver: "default", options: {}, pools: [checkRange(poolOf(settings, survey, previous?.ipam.pools[0]))] },
  };
}

/** `fixed-cidr` must be a part of the subnet. */
function checkRange(pool: Pool): Pool {
  if (pool.ipRange === undefined) return pool;
  const [subnet, range] = [parseCidr(pool.subnet), parseCidr(pool.ipRange)];
  if (range === undefined) throw new EngineError("invalid", `fixed-cidr ${pool.ipRange}: not a subnet`);
  if (subnet === undefined || range.family !== subnet.family || range.start < subnet.start || range.end > subnet.end) {
    throw new EngineError(
      "invalid",
      `fixed-cidr ${pool.ipRange} is not in the default bridge's subnet ${pool.subnet}: set bip too`,
    );
  }
  return pool;
}

/** `bip` decides; else the subnet it had, while that is free of other routes; else a free one. */
function poolOf(settings: PredefinedSettings, survey: Survey, previous: Pool | undefined): Pool {
  const range = settings.fixedCidr === undefined ? {} : { ipRange: settings.fixedCidr };
  if (settings.bip !== undefined) {
    const bip = parseCidr(settings.bip);
    if (
      bip === undefined ||
      bip.family !== 4 ||
      bip.prefixLength > 30 ||
      bip.address === bip.start ||
      bip.address === bip.end
    )
      throw new EngineError(
        "invalid",
        `bip ${settings.bip}: not an IPv4 address of a host with its prefix length, as in 172.30.0.1/16`,
      );
    return { subnet: formatCidr(bip), gateway: formatIp({ family: bip.family, value: bip.address }), ...range };
  }
  const others = takenBesides(survey, settings.bridge);
  const before = previous === undefined ? undefined : parseCidr(previous.subnet);
  if (previous !== undefined && before !== undefined && !others.some((other) => overlaps(other, before))) {
    return { subnet: previous.subnet, gateway: previous.gateway, ...range };
  }
  const seed = settings.bridge === "berth0" ? "" : settings.bridge;
  const subnet = chooseSubnet(settings.pools ?? defaultBridgePools, others, seed);
  return { subnet, gateway: firstAddress(subnet), ...range };
}

/** What the host routes elsewhere than to the given link. */
export const takenBesides = (survey: Survey, link: string) =>
  survey.taken.filter((row) => row.link !== link).flatMap(({ cidr }) => parseCidr(cidr) ?? []);

/** Docker's choice of a gateway. */
export function firstAddress(subnet: string): string {
  const cidr = parseCidr(subnet);
  return cidr === undefined ? "" : formatIp({ family: cidr.family, value: cidr.start + 1n });
}

/** A unique local /64 (RFC 4193) that is the same after every start. */
export function hiddenSubnet(engine: string, networkId: string): string {
  const hash = createHash("sha256").update(`${engine} ${networkId}`).digest();
  const value = (0xfdn << 120n) | (BigInt(`0x${hash.subarray(0, 7).toString("hex")}`) << 64n);
  return formatCidr(cidrOf({ family: 6, value }, 64));
}
