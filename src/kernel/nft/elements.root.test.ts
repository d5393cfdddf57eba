import { expect, test } from "bun:test";
import { SyscallError } from "../call.ts";
import { NetlinkSocket } from "../netlink/netlink-socket.ts";
import { changeElements, concatenated, type MapElement, rulesetGeneration, tableState } from "./elements.ts";

const table = `nft_test_${process.pid}`;
const nft = (script: string): string => {
  const { stdout, stderr, success } = Bun.spawnSync(["nft", "-f", "-"], { stdin: Buffer.from(script) });
  if (!success) throw new Error(stderr.toString());
  return stdout.toString();
};
const element = (port: number, inside: number): MapElement => ({
  map: "ports",
  key: concatenated(Uint8Array.of(6), Uint8Array.of(port >> 8, port & 255)),
  data: concatenated(Uint8Array.of(10, 0, 0, inside), Uint8Array.of(0, 80)),
});
const codeOf = (work: () => void): string => {
  try {
    work();
    return "no error";
  } catch (error) {
    return error instanceof SyscallError ? error.code : String(error);
  }
};

test("elements are added and removed in one transaction, all or none, as nft shows them", () => {
  using socket = NetlinkSocket.open("netfilter");
  nft(`table inet ${table} { map ports { type inet_proto . inet_service : ipv4_addr . inet_service; }\n }\n`);
  try {
    const before = rulesetGeneration(socket);
    changeElements(socket, table, { add: [element(8080, 2), element(65535, 3)], remove: [] });
    expect(rulesetGeneration(socket)).toBeGreaterThan(before);
    const shown = Bun.spawnSync(["nft", "list", "map", "inet", table, "ports"]).stdout.toString();
    expect(shown).toContain("tcp . 8080 : 10.0.0.2 . 80");
    expect(shown).toContain("tcp . 65535 : 10.0.0.3 . 80");
    expect(tableState(socket, table, ["ports"])?.elements.get("ports")).toBe(2);
    // The same again is no error; the same key with other data is, and takes the whole batch with it.
    changeElements(socket, table, { add: [element(8080, 2)], remove: [] });
    expect(codeOf(() => changeElements(socket, table, { add: [element(1, 9), element(8080, 9)], remove: [] }))).toBe(
      "EEXIST",
    );
    expect(codeOf(() => changeElements(socket, table, { add: [], remove: [element(8080, 2), element(2, 2)] }))).toBe(
      "ENOENT",
    );
    expect(tableState(socket, table, ["ports"])?.elements.get("ports")).toBe(2);
    changeElements(socket, table, { add: [element(8080, 7)], remove: [element(8080, 2), element(65535, 3)] });
    expect(tableState(socket, table, ["ports"])?.elements.get("ports")).toBe(1);
    changeElements(socket, table, {
      add: Array.from({ length: 3000 }, (_, index) => element(10_000 + index, 4)),
      remove: [],
    });
    expect(tableState(socket, table, ["ports"])?.elements.get("ports")).toBe(3001);
  } finally {
    nft(`delete table inet ${table}\n`);
  }
  expect(tableState(socket, table, ["ports"])).toBeUndefined();
  expect(codeOf(() => changeElements(socket, table, { add: [element(1, 1)], remove: [] }))).toBe("ENOENT");
});
