import type { NetlinkSocket } from "../netlink/netlink-socket.ts";
import { NetlinkWriter } from "../netlink/writer.ts";

// linux/netfilter/nfnetlink.h
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFNL_SUBSYS_NFTABLES = 10;
/** linux/netfilter.h */
export const nftFamilies = { inet: 1, ip: 2, ip6: 10 } as const;

/** The type of an nf_tables message. */
export const nftMessage = (message: number): number => (NFNL_SUBSYS_NFTABLES << 8) | message;

/** struct nfgenmsg; its last field is big endian. */
export function nftHeader(writer: NetlinkWriter, family: number, resource = 0): void {
  writer
    .u8(family)
    .u8(0)
    .u8(resource >> 8)
    .u8(resource & 0xff);
}

/**
 * One transaction: `write` puts messages between begin and end and gives how many of them ask for an answer. Throws
 * the first error, and then nothing of it has happened.
 */
export function nftTransaction(socket: NetlinkSocket, write: (writer: NetlinkWriter) => number): void {
  const writer = new NetlinkWriter();
  writer.message("nft batch", NFNL_MSG_BATCH_BEGIN, 0, () => nftHeader(writer, 0, NFNL_SUBSYS_NFTABLES));
  const answers = write(writer);
  writer.message("nft batch", NFNL_MSG_BATCH_END, 0, () => nftHeader(writer, 0, NFNL_SUBSYS_NFTABLES));
  if (answers > 0) socket.request(writer, answers);
}

/** nf_tables takes numbers in network order. */
export function be32(value: number): Uint8Array {
  return Uint8Array.of((value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}
