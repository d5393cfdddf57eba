import { errorMessage } from "../../base/errors.ts";
import { forgetUdpFlows } from "../../kernel/netlink/conntrack.ts";
import type { PublishCommand } from "./commands.ts";
import type { HostSockets } from "./host.ts";

// Runs in the Worker, but not while a container waits for it: one walk of the flows for all ports of a burst.

const afterMs = 200;
const ports = new Set<number>();
let timer: Timer | undefined;

/** Flows of UDP clients that go on sending follow the ports, a moment later. TCP clients notice by themselves. */
export function forgetFlows(host: HostSockets, publish: PublishCommand): void {
  for (const { protocol, port } of publish.holds) if (protocol === "udp") ports.add(port);
  if (ports.size === 0) return;
  timer ??= setTimeout(() => {
    timer = undefined;
    const moved = new Set(ports);
    ports.clear();
    try {
      forgetUdpFlows(host.netfilter, moved);
    } catch (error) {
      // A kernel without ctnetlink: such clients have to pause for half a minute.
      process.stderr.write(`cannot forget UDP flows: ${errorMessage(error)}\n`);
    }
  }, afterMs);
}

export function stopForgetting(): void {
  clearTimeout(timer);
}
