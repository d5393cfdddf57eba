import { attributes, type NetlinkSocket } from "./netlink-socket.ts";
import { NetlinkWriter, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL } from "./writer.ts";

// linux/rtnetlink.h, linux/if_link.h
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const IFLA = { address: 1, name: 3, mtu: 4, master: 10, protinfo: 12, linkInfo: 18, netnsFd: 28 };
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFLA_BRPORT_MODE = 4;
const IFLA_BRPORT_ISOLATED = 33;
const AF_BRIDGE = 7;
const IFF_UP = 1;

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly master: number;
  readonly kind: string;
  readonly mtu: number;
  /** Empty where there is none. */
  readonly mac: string;
}

/** `02:42:ac:11:00:02` as six bytes. */
export const macBytes = (mac: string): Uint8Array =>
  Uint8Array.from(mac.split(":"), (part) => Number.parseInt(part, 16));

/** struct ifinfomsg, with which every message about a link begins. */
export function infoHeader(writer: NetlinkWriter, options: { family?: number; index?: number; up?: boolean }): void {
  writer
    .u8(options.family ?? 0)
    .u8(0)
    .u16(0)
    .u32(options.index ?? 0);
  writer.u32(options.up === true ? IFF_UP : 0).u32(options.up === true ? IFF_UP : 0);
}

/** A bridge, up. A MAC of its own keeps it from changing with its ports. */
export function addBridge(writer: NetlinkWriter, bridge: { name: string; mac: string; mtu: number }): void {
  writer.message(`create bridge ${bridge.name}`, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, () => {
    infoHeader(writer, { up: true });
    writer
      .attribute(IFLA.name, bridge.name)
      .attribute(IFLA.address, macBytes(bridge.mac))
      .attribute(IFLA.mtu, bridge.mtu);
    writer.nest(IFLA.linkInfo, () => writer.attribute(IFLA_INFO_KIND, "bridge"));
  });
}

/**
 * A veth pair: our end up and in the bridge, the peer (not up: the kernel refuses that) in the namespace behind
 * `netnsFd`.
 */
export function addVeth(
  writer: NetlinkWriter,
  veth: { name: string; bridge: number; mtu: number; peer: { name: string; mac: string; netnsFd: number } },
): void {
  const { peer } = veth;
  writer.message(`create veth ${veth.name}`, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, () => {
    infoHeader(writer, { up: true });
    writer.attribute(IFLA.name, veth.name).attribute(IFLA.master, veth.bridge).attribute(IFLA.mtu, veth.mtu);
    writer.nest(IFLA.linkInfo, () => {
      writer.attribute(IFLA_INFO_KIND, "veth");
      writer.nest(IFLA_INFO_DATA, () =>
        writer.nest(VETH_INFO_PEER, () => {
          infoHeader(writer, {});
          writer.attribute(IFLA.name, peer.name).attribute(IFLA.address, macBytes(peer.mac));
          writer.attribute(IFLA.mtu, veth.mtu).attribute(IFLA.netnsFd, peer.netnsFd);
        }),
      );
    });
  });
}

/** Sets how a bridge treats one of its ports. */
export function setBridgePort(
  writer: NetlinkWriter,
  index: number,
  port: { hairpin: boolean; isolated: boolean },
): void {
  writer.message("set bridge port", RTM_SETLINK, NLM_F_ACK, () => {
    infoHeader(writer, { family: AF_BRIDGE, index });
    writer.nest(IFLA.protinfo, () => {
      writer.attribute(IFLA_BRPORT_MODE, Uint8Array.of(port.hairpin ? 1 : 0));
      writer.attribute(IFLA_BRPORT_ISOLATED, Uint8Array.of(port.isolated ? 1 : 0));
    });
  });
}

export function setUp(writer: NetlinkWriter, index: number): void {
  writer.message(`set link ${index} up`, RTM_NEWLINK, NLM_F_ACK, () => infoHeader(writer, { index, up: true }));
}

/** Costs about 18 ms a link, so containers' links are left to the kernel; for bridges and live disconnect. */
export function deleteLink(writer: NetlinkWriter, link: { index?: number; name: string }): void {
  writer.message(`delete link ${link.name}`, RTM_DELLINK, NLM_F_ACK, () => {
    infoHeader(writer, link.index === undefined ? {} : { index: link.index });
    if (link.index === undefined) writer.attribute(IFLA.name, link.name);
  });
}

export function listLinks(socket: NetlinkSocket): Link[] {
  const writer = new NetlinkWriter();
  writer.message("list links", RTM_GETLINK, NLM_F_DUMP, () => infoHeader(writer, {}));
  return socket.query(writer).map(({ payload }) => linkOf(payload));
}

export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  const writer = new NetlinkWriter();
  writer.message(`find link ${name}`, RTM_GETLINK, NLM_F_ACK, () => {
    infoHeader(writer, {});
    writer.attribute(IFLA.name, name);
  });
  try {
    const [answer] = socket.query(writer);
    return answer === undefined ? undefined : linkOf(answer.payload);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENODEV") return undefined;
    throw error;
  }
}

function linkOf(payload: Buffer): Link {
  const found = attributes(payload, 16);
  const info = found.get(IFLA.linkInfo);
  return {
    index: payload.readInt32LE(4),
    up: (payload.readUInt32LE(8) & IFF_UP) !== 0,
    name: text(found.get(IFLA.name)),
    master: found.get(IFLA.master)?.readUInt32LE(0) ?? 0,
    mtu: found.get(IFLA.mtu)?.readUInt32LE(0) ?? 0,
    mac: Array.from(found.get(IFLA.address) ?? [], (byte) => byte.toString(16).padStart(2, "0")).join(":"),
    kind: info === undefined ? "" : text(attributes(info, 0).get(IFLA_INFO_KIND)),
  };
}

const text = (bytes: Buffer | undefined): string => bytes?.toString("utf8").replace(/\0+$/, "") ?? "";
