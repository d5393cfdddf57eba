import { EngineError } from "../../base/errors.ts";
import { parseCidr, parseIp } from "../../base/ip.ts";
import { addAddress, addRoute } from "../../kernel/netlink/address.ts";
import { addChildLink, addPair, type ChildKind, knowsLink } from "../../kernel/netlink/child-link.ts";
import { deleteLink, findLink, setUp } from "../../kernel/netlink/link.ts";
import { NetlinkWriter } from "../../kernel/netlink/writer.ts";
import type { ParentCommand } from "./commands.ts";
import type { HostSockets } from "./host.ts";

// Runs in the Worker, in the host's namespace.

const options = { macvlan: "CONFIG_MACVLAN", ipvlan: "CONFIG_IPVLAN", vlan: "CONFIG_VLAN_8021Q" } as const;

/** The link whose wire is shared, and the host's own child of it. What is there already stays. */
export function parentUp(host: HostSockets, parent: ParentCommand): void {
  need(host, parent.kind);
  if (findLink(host.route, parent.name) === undefined) makeParent(host, parent);
  const link = findLink(host.route, parent.name);
  if (link === undefined)
    throw new EngineError("internal", `the interface ${parent.name} went away while it was set up`);
  if (!link.up) apply(host, (writer) => setUp(writer, link.index));
  const { hostAccess } = parent;
  if (hostAccess === undefined || findLink(host.route, hostAccess.name) !== undefined) return;
  apply(host, (writer) =>
    addChildLink(writer, {
      what: { kind: "macvlan", mode: "bridge" },
      parentIndex: link.index,
      name: hostAccess.name,
      mtu: Math.min(parent.mtu, link.mtu),
    }),
  );
  const own = findLink(host.route, hostAccess.name);
  const ip = parseIp(hostAccess.address);
  if (own === undefined || ip === undefined) return;
  apply(host, (writer) => {
    addAddress(writer, own.index, ip, ip.family === 4 ? 32 : 128);
    setUp(writer, own.index);
    for (const route of hostAccess.routes) {
      const cidr = parseCidr(route);
      if (cidr !== undefined) addRoute(writer, own.index, cidr);
    }
  });
}

/** Takes away what parentUp made; a link of the host's own stays. */
export function parentDown(host: HostSockets, parent: ParentCommand, stillUsed: boolean): void {
  const gone = [parent.hostAccess?.name, stillUsed || !(parent.own || isVlan(parent.name)) ? undefined : parent.name];
  for (const name of gone) {
    const link = name === undefined ? undefined : findLink(host.route, name);
    // A VLAN that was not made by us carries its host's addresses or is of another kind: it is left.
    if (link === undefined || (name === parent.name && !["vlan", "veth"].includes(link.kind))) continue;
    apply(host, (writer) => deleteLink(writer, link));
  }
}

function makeParent(host: HostSockets, parent: ParentCommand): void {
  if (parent.own) {
    // Not a bridge and not a dummy: the one has no carrier without ports, the other is not in every kernel.
    const pair = { name: parent.name, peer: `dp${parent.name.slice(2)}`, mtu: parent.mtu };
    apply(host, (writer) => addPair(writer, pair));
    const peer = findLink(host.route, pair.peer);
    if (peer !== undefined) apply(host, (writer) => setUp(writer, peer.index));
    return;
  }
  const { base, id } = vlanOf(parent.name);
  const under = base === "" ? undefined : findLink(host.route, base);
  if (under === undefined)
    throw new EngineError("invalid", `the parent interface ${parent.name} does not exist on this host`, {
      parent: parent.name,
    });
  need(host, "vlan");
  apply(host, (writer) =>
    addChildLink(writer, { what: { kind: "vlan", id }, parentIndex: under.index, name: parent.name }),
  );
}

function need(host: HostSockets, kind: ChildKind["kind"]): void {
  if (knowsLink(host.route, kind)) return;
  throw new EngineError(
    "unavailable",
    `this kernel has no ${kind} interfaces (${options[kind]}), and no module of that name`,
    { kind },
  );
}

function apply(host: HostSockets, write: (writer: NetlinkWriter) => void): void {
  const writer = new NetlinkWriter();
  write(writer);
  host.route.request(writer);
}

/** `eth0.50`: VLAN 50 of eth0. */
function vlanOf(name: string): { base: string; id: number } {
  const found = /^(.+)\.([0-9]{1,4})$/.exec(name);
  return { base: found?.[1] ?? "", id: Number(found?.[2] ?? 0) };
}

const isVlan = (name: string): boolean => vlanOf(name).base !== "";
