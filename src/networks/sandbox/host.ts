import { NetlinkSocket } from "../../kernel/netlink/netlink-socket.ts";

/** Sockets in the host's namespace, opened once: before the Worker visits any other. */
export interface HostSockets {
  readonly route: NetlinkSocket;
  readonly netfilter: NetlinkSocket;
}

export const openHostSockets = (): HostSockets => ({
  route: NetlinkSocket.open("route"),
  netfilter: NetlinkSocket.open("netfilter"),
});
