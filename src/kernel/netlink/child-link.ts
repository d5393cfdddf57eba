import { SyscallError } from "../call.ts";
import { infoHeader, macBytes } from "./link.ts";
import type { NetlinkSocket } from "./netlink-socket.ts";
import { NetlinkWriter, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL } from "./writer.ts";

// linux/rtnetlink.h, linux/if_link.h
const RTM_NEWLINK = 16;
const IFLA = { address: 1, name: 3, mtu: 4, link: 5, linkInfo: 18, netnsFd: 28 };
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const EOPNOTSUPP = 95;

/** What shares the wire of another link. Modes as the kernel numbers them. */
export type ChildKind =
  | { readonly kind: "macvlan"; readonly mode: keyof typeof macvlanModes }
  | { readonly kind: "ipvlan"; readonly mode: keyof typeof ipvlanModes; readonly flag: keyof typeof ipvlanFlags }
  | { readonly kind: "vlan"; readonly id: number };

export const macvlanModes = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
export const ipvlanModes = { l2: 0, l3: 1, l3s: 2 } as const;
export const ipvlanFlags = { bridge: 0, private: 1, vepa: 2 } as const;

export interface ChildLink {
  readonly what: ChildKind;
  readonly parentIndex: number;
  readonly name: string;
  /** Undefined = the kernel's choice (ipvlan has its parent's). */
  readonly mac?: string;
  readonly mtu?: number;
  /** Where it is made; undefined = here. */
  readonly netnsFd?: number;
}

export function addChildLink(writer: NetlinkWriter, link: ChildLink): void {
  const name = `create ${link.what.kind} ${link.name}`;
  writer.message(name, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, () => {
    infoHeader(writer, {});
    writer.attribute(IFLA.name, link.name).attribute(IFLA.link, link.parentIndex);
    if (link.mac !== undefined) writer.attribute(IFLA.address, macBytes(link.mac));
    if (link.mtu !== undefined) writer.attribute(IFLA.mtu, link.mtu);
    if (link.netnsFd !== undefined) writer.attribute(IFLA.netnsFd, link.netnsFd);
    writer.nest(IFLA.linkInfo, () => {
      writer.attribute(IFLA_INFO_KIND, link.what.kind);
      writer.nest(IFLA_INFO_DATA, () => writeData(writer, link.what));
    });
  });
}

function writeData(writer: NetlinkWriter, what: ChildKind): void {
  switch (what.kind) {
    case "macvlan":
      writer.attribute(1 /* IFLA_MACVLAN_MODE */, macvlanModes[what.mode]);
      return;
    case "ipvlan":
      writer.attribute(1 /* IFLA_IPVLAN_MODE */, le16(ipvlanModes[what.mode]));
      writer.attribute(2 /* IFLA_IPVLAN_FLAGS */, le16(ipvlanFlags[what.flag]));
      return;
    case "vlan":
      writer.attribute(1 /* IFLA_VLAN_ID */, le16(what.id));
  }
}

const le16 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >> 8);

/** Two links of this namespace that are each other's wire: a link whose wire leads nowhere. The peer must be set up afterwards. */
export function addPair(writer: NetlinkWriter, pair: { name: string; peer: string; mtu: number }): void {
  writer.message(`create veth ${pair.name}`, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, () => {
    infoHeader(writer, { up: true });
    writer.attribute(IFLA.name, pair.name).attribute(IFLA.mtu, pair.mtu);
    writer.nest(IFLA.linkInfo, () => {
      writer.attribute(IFLA_INFO_KIND, "veth");
      writer.nest(IFLA_INFO_DATA, () =>
        writer.nest(VETH_INFO_PEER, () => {
          infoHeader(writer, {});
          writer.attribute(IFLA.name, pair.peer).attribute(IFLA.mtu, pair.mtu);
        }),
      );
    });
  });
}

/** Whether the kernel has a kind of link (loading its module where it can): one without a parent is refused either way. */
export function knowsLink(socket: NetlinkSocket, kind: ChildKind["kind"]): boolean {
  const writer = new NetlinkWriter();
  writer.message(`probe ${kind}`, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, () => {
    infoHeader(writer, {});
    writer.attribute(IFLA.name, "berthprobe");
    writer.nest(IFLA.linkInfo, () => writer.attribute(IFLA_INFO_KIND, kind));
  });
  try {
    socket.request(writer);
  } catch (error) {
    if (error instanceof SyscallError) return error.errno !== EOPNOTSUPP;
    throw error;
  }
  return true;
}
