import { type Cidr, cidrOf, type Ip, ipBytes, ipOfBytes } from "../../base/ip.ts";
import { attributes, type NetlinkSocket } from "./netlink-socket.ts";
import { NetlinkWriter, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL } from "./writer.ts";

// linux/rtnetlink.h, linux/if_addr.h
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const IFA = { address: 1, local: 2, broadcast: 4 };
const RTA = { destination: 1, oif: 4, gateway: 5, table: 15 };
const IFA_F_NODAD = 0x02;
const RT_TABLE_MAIN = 254;
const RT_TABLE_LOCAL = 255;
const RTN_UNICAST = 1;
const RT_SCOPE_LINK = 253;

const familyNumber = (family: 4 | 6): number => (family === 4 ? 2 : 10);

/** An address on a link. IPv6 without duplicate address detection: the address is ours by allocation, and usable at once. */
export function addAddress(writer: NetlinkWriter, index: number, ip: Ip, prefixLength: number): void {
  const bytes = ipBytes(ip);
  writer.message("add address", RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, () => {
    writer
      .u8(familyNumber(ip.family))
      .u8(prefixLength)
      .u8(ip.family === 6 ? IFA_F_NODAD : 0)
      .u8(0)
      .u32(index);
    writer.attribute(IFA.local, bytes).attribute(IFA.address, bytes);
    if (ip.family === 4 && prefixLength < 31) {
      writer.attribute(IFA.broadcast, ipBytes({ family: 4, value: cidrOf(ip, prefixLength).end }));
    }
  });
}

/**
 * Sets (or with `remove` takes away) the default route of the gateway's family. Without a value in it the route is by
 * the link itself.
 */
export function defaultRoute(
  writer: NetlinkWriter,
  index: number,
  gateway: { readonly family: 4 | 6; readonly value?: bigint },
  remove = false,
): void {
  writeRoute(writer, index, { gateway, remove });
}

/** A route by a link, to whom is reached there without a gateway. */
export function addRoute(writer: NetlinkWriter, index: number, destination: Cidr): void {
  writeRoute(writer, index, { gateway: { family: destination.family }, destination, remove: false });
}

function writeRoute(
  writer: NetlinkWriter,
  index: number,
  route: {
    readonly gateway: { readonly family: 4 | 6; readonly value?: bigint };
    readonly destination?: Cidr;
    readonly remove: boolean;
  },
): void {
  const { gateway, destination, remove } = route;
  const { family, value } = gateway;
  const flags = remove ? NLM_F_ACK : NLM_F_ACK | NLM_F_CREATE | 0x100; /* NLM_F_REPLACE */
  const scope = value === undefined && family === 4 ? RT_SCOPE_LINK : 0;
  writer.message(
    destination === undefined ? "set default route" : "set route",
    remove ? RTM_DELROUTE : RTM_NEWROUTE,
    flags,
    () => {
      writer
        .u8(familyNumber(family))
        .u8(destination?.prefixLength ?? 0)
        .u8(0)
        .u8(0);
      writer
        .u8(RT_TABLE_MAIN)
        .u8(remove ? 0 : 3 /* RTPROT_BOOT */)
        .u8(scope)
        .u8(RTN_UNICAST)
        .u32(0);
      if (destination !== undefined) writer.attribute(RTA.destination, ipBytes({ family, value: destination.start }));
      if (value !== undefined) writer.attribute(RTA.gateway, ipBytes({ family, value }));
      writer.attribute(RTA.oif, index);
    },
  );
}

export interface Address {
  readonly index: number;
  readonly ip: Ip;
  readonly prefixLength: number;
}

export function listAddresses(socket: NetlinkSocket): Address[] {
  const writer = new NetlinkWriter();
  writer.message("list addresses", RTM_GETADDR, NLM_F_DUMP, () => writer.u32(0).u32(0));
  return socket.query(writer).flatMap(({ payload }) => {
    const found = attributes(payload, 8);
    const bytes = found.get(IFA.local) ?? found.get(IFA.address);
    if (bytes === undefined) return [];
    return [{ index: payload.readUInt32LE(4), ip: ipOfBytes(bytes), prefixLength: payload.readUInt8(1) }];
  });
}

export interface Route {
  readonly destination: Cidr;
  /** Index of the link; 0 = none (blackhole, multipath). */
  readonly index: number;
}

/** Every route of every table to something narrower than everything. */
export function listRoutes(socket: NetlinkSocket): Route[] {
  const writer = new NetlinkWriter();
  writer.message("list routes", RTM_GETROUTE, NLM_F_DUMP, () => writer.u32(0).u32(0).u32(0));
  return socket.query(writer).flatMap(({ payload }) => {
    const found = attributes(payload, 12);
    const table = found.get(RTA.table)?.readUInt32LE(0) ?? payload.readUInt8(4);
    const bytes = found.get(RTA.destination);
    const prefixLength = payload.readUInt8(1);
    if (bytes === undefined || prefixLength === 0 || table === RT_TABLE_LOCAL) return [];
    if (bytes.length !== 4 && bytes.length !== 16) return [];
    return [{ destination: cidrOf(ipOfBytes(bytes), prefixLength), index: found.get(RTA.oif)?.readUInt32LE(0) ?? 0 }];
  });
}
