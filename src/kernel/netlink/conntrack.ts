import { SyscallError } from "../call.ts";
import { attributes, type NetlinkSocket } from "./netlink-socket.ts";
import { NetlinkWriter, NLM_F_ACK, NLM_F_DUMP } from "./writer.ts";

// linux/netfilter/nfnetlink_conntrack.h
const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;
const IPPROTO_UDP = 17;

/**
 * Forgets the UDP flows to some ports of the host. The kernel translates a flow as it did its first packet for as long
 * as it goes on; a client that keeps sending would never reach a container that took the port over.
 * Walks the whole table, which takes milliseconds even when it is empty.
 */
export function forgetUdpFlows(socket: NetlinkSocket, hostPorts: ReadonlySet<number>): void {
  const list = new NetlinkWriter();
  list.message("list flows", (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET, NLM_F_DUMP, () =>
    list.u8(0 /* all families */).u8(0).u16(0),
  );
  const flows = socket.query(list, (payload) => {
    const protocol = attributes(tupleOf(payload), 0).get(CTA_TUPLE_PROTO);
    if (protocol === undefined) return false;
    const found = attributes(protocol, 0);
    const port = found.get(CTA_PROTO_DST_PORT)?.readUInt16BE(0);
    return found.get(CTA_PROTO_NUM)?.[0] === IPPROTO_UDP && port !== undefined && hostPorts.has(port);
  });
  for (const { payload } of flows) forget(socket, payload.readUInt8(0), tupleOf(payload));
}

const tupleOf = (payload: Buffer): Buffer => attributes(payload, 4).get(CTA_TUPLE_ORIG) ?? Buffer.alloc(0);

function forget(socket: NetlinkSocket, family: number, tuple: Buffer): void {
  const writer = new NetlinkWriter();
  writer.message("forget flow", (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE, NLM_F_ACK, () => {
    writer
      .u8(family)
      .u8(0)
      .u16(0)
      .nest(CTA_TUPLE_ORIG, () => writer.raw(tuple));
  });
  try {
    socket.request(writer);
  } catch (error) {
    // It ended by itself since it was listed.
    if (!(error instanceof SyscallError) || error.code !== "ENOENT") throw error;
  }
}
