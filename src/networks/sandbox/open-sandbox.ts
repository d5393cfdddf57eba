import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fault } from "../../base/fault.ts";
import { type Ip, parseCidr, parseIp } from "../../base/ip.ts";
import { SyscallError } from "../../kernel/call.ts";
import { addAddress, defaultRoute } from "../../kernel/netlink/address.ts";
import { addChildLink } from "../../kernel/netlink/child-link.ts";
import { addVeth, deleteLink, findLink, listLinks, setBridgePort, setUp } from "../../kernel/netlink/link.ts";
import { NetlinkSocket } from "../../kernel/netlink/netlink-socket.ts";
import { NetlinkWriter } from "../../kernel/netlink/writer.ts";
import { limitRate } from "../../kernel/netlink/qdisc.ts";
import { replaceTable } from "../../kernel/nft/table.ts";
import { enterNetns, pinNetns, unpinNetns } from "../../kernel/ns.ts";
import { type EgressRules, egressRules } from "../egress/table.ts";
import type { ChangeCommand, LinkCommand, PublishCommand, SandboxCommand } from "./commands.ts";
import type { HostSockets } from "./host.ts";
import { forgetFlows } from "./forget-flows.ts";
import { holdPorts, releasePorts } from "./port-holds.ts";
import { away, takeNetns } from "./spare-netns.ts";
import { changePublished } from "./watch-rules.ts";

// Everything here runs in the Worker, synchronously: between unshare/setns and the way back nothing may be awaited.

/** A setting of the container that the kernel refused: the user's doing. */
export class SysctlError extends Error {}

/** Makes a pinned namespace with its links, addresses, routes and sysctls, then publishes. All or nothing. */
export function openSandbox(host: HostSockets, sandbox: SandboxCommand): void {
  using undo = new DisposableStack();
  if (sandbox.publish.elements.some(({ map }) => map.endsWith("6"))) forwardIpv6();
  const held = holdPorts(sandbox.publish.holds);
  undo.defer(() => releasePorts(held));
  dropNetns(sandbox.path);
  undo.defer(() => dropNetns(sandbox.path));
  const netnsFd = takeNetns();
  using _netns = { [Symbol.dispose]: () => closeSync(netnsFd) };
  pinNetns(sandbox.path, netnsFd);
  fault("network.open.after-netns");
  addLinks(host, netnsFd, sandbox.links);
  // At once: with the namespace they would go in the kernel's time, and a second try makes links of the same names.
  undo.defer(() =>
    removeLinks(
      host,
      sandbox.links.map((link) => link.hostName),
    ),
  );
  const sysctls = Object.entries(sandbox.sysctls);
  const { egress } = sandbox;
  if (sandbox.links.length + sysctls.length > 0 || egress !== undefined) {
    away(
      () => enterNetns(netnsFd),
      () => {
        configure(sandbox.links);
        for (const [key, value] of sysctls) writeSysctl(key, value, false);
        if (egress !== undefined) allowOnly(egress);
      },
    );
  }
  fault("network.open.after-attach");
  changePublished(host, sandbox.publish.table, { add: sandbox.publish.elements, remove: [] });
  undo.defer(() => changePublished(host, sandbox.publish.table, { add: [], remove: sandbox.publish.elements }));
  forgetFlows(host, sandbox.publish);
  fault("network.open.after-publish");
  undo.move();
}

/** Undoes openSandbox; what is gone already is no error. The links go with the namespace, in the kernel's time. */
export function closeSandbox(host: HostSockets, path: string, publish: PublishCommand): void {
  removeElements(host, publish);
  forgetFlows(host, publish);
  releasePorts(publish.holds);
  dropNetns(path);
}

/** Changes a sandbox that is in use: live connect and disconnect. */
export function changeSandbox(host: HostSockets, change: ChangeCommand): void {
  using undo = new DisposableStack();
  if (change.publish.elements.some(({ map }) => map.endsWith("6"))) forwardIpv6();
  const held = holdPorts(change.publish.holds);
  undo.defer(() => releasePorts(held));
  const netnsFd = openSync(change.path, "r");
  undo.defer(() => closeSync(netnsFd));
  addLinks(host, netnsFd, change.add);
  undo.defer(() =>
    removeLinks(
      host,
      change.add.map((link) => link.hostName),
    ),
  );
  away(
    () => enterNetns(netnsFd),
    () => {
      using inside = NetlinkSocket.open("route");
      configure(change.add);
      removeLinks({ ...host, route: inside }, change.remove);
      moveDefaultRoutes(inside, change.gateways);
      if (change.egress !== undefined) allowOnly(change.egress);
    },
  );
  removeElements(host, change.unpublish);
  changePublished(host, change.publish.table, { add: change.publish.elements, remove: [] });
  forgetFlows(host, change.publish);
  undo.move();
  closeSync(netnsFd);
  const kept = new Set(change.publish.holds.map((hold) => JSON.stringify(hold)));
  releasePorts(change.unpublish.holds.filter((hold) => !kept.has(JSON.stringify(hold))));
}

/** The interfaces in a namespace. */
export function linksOf(path: string): { name: string; mac: string }[] {
  const netnsFd = openSync(path, "r");
  try {
    return away(
      () => enterNetns(netnsFd),
      () => {
        using inside = NetlinkSocket.open("route");
        return listLinks(inside).map(({ name, mac }) => ({ name, mac }));
      },
    );
  } finally {
    closeSync(netnsFd);
  }
}

function addLinks(host: HostSockets, netnsFd: number, links: readonly LinkCommand[]): void {
  if (links.length === 0) return;
  const writer = new NetlinkWriter();
  for (const link of links) {
    if (link.child !== undefined) {
      const parent = findLink(host.route, link.child.parent);
      if (parent === undefined) throw new SyscallError("find parent interface", 19 /* ENODEV */, link.child.parent);
      const { kind } = link.child.what;
      addChildLink(writer, {
        what: link.child.what,
        parentIndex: parent.index,
        name: link.name,
        ...(kind === "ipvlan" ? {} : { mac: link.mac }),
        mtu: Math.min(link.mtu, parent.mtu),
        netnsFd,
      });
      continue;
    }
    const bridge = findLink(host.route, link.bridge);
    if (bridge === undefined) throw new SyscallError("find bridge", 19 /* ENODEV */, link.bridge);
    addVeth(writer, {
      name: link.hostName,
      bridge: bridge.index,
      mtu: link.mtu,
      peer: { name: link.name, mac: link.mac, netnsFd },
    });
  }
  host.route.request(writer);
  // Hairpin: with br_netfilter a container that calls its own published port is bridged back out of the port it came by.
  const ports = new NetlinkWriter();
  for (const link of links) {
    const port = link.child === undefined ? findLink(host.route, link.hostName) : undefined;
    if (port === undefined) continue;
    setBridgePort(ports, port.index, { hairpin: true, isolated: link.isolated });
    if (link.rate !== undefined && link.rate.inBps > 0) limitRate(ports, port.index, link.rate.inBps);
  }
  host.route.request(ports);
}

/** Inside: only these may be reached. */
function allowOnly(egress: EgressRules): void {
  using inside = NetlinkSocket.open("netfilter");
  replaceTable(inside, egressRules(egress));
}

/** Inside: brings links up and gives them addresses and routes. */
function configure(links: readonly LinkCommand[]): void {
  if (links.length === 0) return;
  using inside = NetlinkSocket.open("route");
  const writer = new NetlinkWriter();
  for (const link of links) {
    // By name: a new namespace may be born with tunnel devices, so eth0 is not always number 2.
    const index = findLink(inside, link.name)?.index;
    if (index === undefined) throw new SyscallError("find link", 19 /* ENODEV */, link.name);
    if (link.addresses.some((address) => address.includes(":"))) {
      writeSysctl(`net.ipv6.conf.${link.name}.accept_dad`, "0", true);
      writeSysctl(`net/ipv6/conf/${link.name}/disable_ipv6`, "0", true);
    }
    setUp(writer, index);
    for (const text of link.addresses) {
      const cidr = parseCidr(text);
      if (cidr !== undefined)
        addAddress(writer, index, { family: cidr.family, value: cidr.address }, cidr.prefixLength);
    }
    for (const gateway of link.gateways.map(parseIp)) {
      if (gateway !== undefined) defaultRoute(writer, index, gateway);
    }
    if (link.defaultDevice === true) defaultDevice(writer, index, link.addresses);
    if (link.rate !== undefined && link.rate.outBps > 0) limitRate(writer, index, link.rate.outBps);
  }
  inside.request(writer);
  for (const link of links)
    for (const [key, value] of Object.entries(link.sysctls ?? {})) writeSysctl(key, value, false);
}

function defaultDevice(writer: NetlinkWriter, index: number, addresses: readonly string[]): void {
  for (const family of [4, 6] as const)
    if (addresses.some((text) => text.includes(":") === (family === 6))) defaultRoute(writer, index, { family });
}

function moveDefaultRoutes(inside: NetlinkSocket, gateways: ChangeCommand["gateways"]): void {
  for (const { name, gateway } of gateways) {
    const ip: Ip | undefined = parseIp(gateway);
    const link = findLink(inside, name);
    if (ip === undefined || link === undefined) continue;
    const writer = new NetlinkWriter();
    defaultRoute(writer, link.index, ip);
    inside.request(writer);
  }
}

function removeLinks(host: HostSockets, names: readonly string[]): void {
  for (const name of names) {
    if (findLink(host.route, name) === undefined) continue;
    const writer = new NetlinkWriter();
    deleteLink(writer, { name });
    host.route.request(writer);
  }
}

function removeElements(host: HostSockets, publish: PublishCommand): void {
  try {
    changePublished(host, publish.table, { add: [], remove: publish.elements });
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "ENOENT") throw error;
    // Some are gone (a flush): take the others one by one.
    for (const element of publish.elements) {
      try {
        changePublished(host, publish.table, { add: [], remove: [element] });
      } catch (gone) {
        if (!(gone instanceof SyscallError) || gone.code !== "ENOENT") throw gone;
      }
    }
  }
}

/** Unpins whatever is at the path and removes the file. */
export function dropNetns(path: string): void {
  try {
    // A crash between two pins can leave one mount over another.
    for (let pins = 0; pins < 8; pins += 1) unpinNetns(path);
  } catch (error) {
    if (!(error instanceof SyscallError) || !["EINVAL", "ENOENT"].includes(error.code)) throw error;
  }
  rmSync(path, { force: true });
}

/**
 * Lets the host forward IPv6, once the first IPv6 port needs it. A host that forwards ignores router advertisements,
 * unless accept_ra is 2: links that learn their address or route from a router shall go on doing so.
 */
function forwardIpv6(): void {
  const conf = "/proc/sys/net/ipv6/conf";
  if (readFileSync(`${conf}/all/forwarding`, "utf8").trim() === "1") return;
  for (const link of readdirSync(conf)) {
    const path = `${conf}/${link}/accept_ra`;
    try {
      if (readFileSync(path, "utf8").trim() === "1") writeFileSync(path, "2");
    } catch {
      // The link went away since it was listed.
    }
  }
  writeFileSync(`${conf}/all/forwarding`, "1");
}

/** In the thread's namespace. `optional`: an older or IPv6-less kernel may lack the key. */
function writeSysctl(key: string, value: string, optional: boolean): void {
  const path = `/proc/sys/${key.includes("/") ? key : key.replaceAll(".", "/")}`;
  try {
    writeFileSync(path, value);
  } catch (error) {
    if (optional) return; // the default stays
    throw new SysctlError(`sysctl ${key}=${value}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
