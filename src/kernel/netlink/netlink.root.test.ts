import { expect, test } from "bun:test";
import { SyscallError } from "../call.ts";
import { parseCidr, parseIp } from "../../base/ip.ts";
import { addAddress, listAddresses, listRoutes } from "./address.ts";
import { addBridge, deleteLink, findLink, listLinks } from "./link.ts";
import { NetlinkSocket } from "./netlink-socket.ts";
import { NetlinkWriter } from "./writer.ts";

const codeOf = (work: () => void): string => {
  try {
    work();
    return "no error";
  } catch (error) {
    return error instanceof SyscallError ? `${error.call}: ${error.code}` : String(error);
  }
};

test("a bridge is made, addressed, seen in the routes, and deleted; errors name the step", () => {
  using socket = NetlinkSocket.open("route");
  const name = `nl${process.pid}`;
  const send = (fill: (writer: NetlinkWriter) => void): void => {
    const writer = new NetlinkWriter();
    fill(writer);
    socket.request(writer);
  };
  const bridge = { name, mac: "02:42:00:00:00:77", mtu: 1400 };
  send((writer) => addBridge(writer, bridge));
  try {
    const link = findLink(socket, name);
    if (link === undefined) throw new Error("no link");
    expect(link).toMatchObject({ name, kind: "bridge", mtu: 1400, up: true });
    expect(listLinks(socket).find(({ index }) => index === link.index)).toEqual(link);
    expect(codeOf(() => send((writer) => addBridge(writer, bridge)))).toBe(`create bridge ${name}: EEXIST`);
    const ip = parseIp("198.19.251.1");
    const ip6 = parseIp("fd77:1::1");
    if (ip === undefined || ip6 === undefined) throw new Error("no address");
    send((writer) => {
      addAddress(writer, link.index, ip, 24);
      addAddress(writer, link.index, ip6, 64);
    });
    const own = listAddresses(socket).filter(({ index }) => index === link.index);
    expect(own).toContainEqual({ index: link.index, ip, prefixLength: 24 });
    expect(own).toContainEqual({ index: link.index, ip: ip6, prefixLength: 64 });
    const start = parseCidr("198.19.251.0/24");
    expect(
      listRoutes(socket)
        .filter(({ index }) => index === link.index)
        .map(({ destination }) => destination.start),
    ).toContain(start?.start ?? 0n);
    // The second message of one send fails: the first has been done, and the error says which it was.
    expect(
      codeOf(() =>
        send((writer) => {
          addAddress(writer, link.index, { family: 4, value: ip.value + 1n }, 24);
          deleteLink(writer, { name: "nosuchlink" });
        }),
      ),
    ).toBe("delete link nosuchlink: ENODEV");
    expect(
      listAddresses(socket).filter(({ index, ip: { family } }) => index === link.index && family === 4).length,
    ).toBe(2);
  } finally {
    send((writer) => deleteLink(writer, { name }));
  }
  expect(findLink(socket, name)).toBeUndefined();
});

test("messages larger than the first buffer arrive whole", () => {
  using socket = NetlinkSocket.open("route");
  const writer = new NetlinkWriter();
  for (let count = 0; count < 500; count += 1) deleteLink(writer, { name: `nosuch${count}` });
  expect(writer.length).toBeGreaterThan(4096);
  expect(codeOf(() => socket.request(writer))).toBe("delete link nosuch0: ENODEV");
  expect(findLink(socket, "lo")?.index).toBe(1); // nothing of the answers is left in the socket
});
