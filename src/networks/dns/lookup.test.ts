import { expect, test } from "bun:test";
import { type DecodedPacket, decode, encode, type Packet, RECURSION_DESIRED } from "dns-packet";
import * as fc from "fast-check";
import { lookUp } from "./lookup.ts";
import { Names } from "./names.ts";
import type { Box, Place } from "./protocol.ts";

const place = (network: string, names: readonly string[], ipv4: string, wish: Partial<Place> = {}): Place => ({
  networkId: `id-${network}`,
  networkName: network,
  names,
  ipv4,
  ipv6: "",
  subnets: ["10.1.0.0/16", "fd00:1::/64"],
  links: {},
  ...wish,
});
const box = (id: string, ...places: Place[]): Box => ({
  id,
  netnsPath: "",
  places,
  forwards: true,
  servers: [],
  egressNames: [],
});
function namesOf(...boxes: Box[]): Names {
  const names = new Names();
  for (const one of boxes) names.put(one);
  return names;
}
const query = (name: string, type: string, wish: Partial<Packet> = {}): Buffer =>
  encode({
    type: "query",
    id: 77,
    flags: RECURSION_DESIRED,
    questions: [{ name, type: type as "A" }],
    ...wish,
  });
/** What an independent codec makes of the answer. */
function ask(names: Names, from: string, name: string, type = "A"): DecodedPacket | string {
  const outcome = lookUp(names, from, query(name, type), "udp");
  return outcome.kind === "answer" ? decode(Buffer.from(outcome.packet)) : outcome.kind;
}
const dataOf = (answer: DecodedPacket | string): unknown =>
  typeof answer === "string" ? answer : (answer.answers ?? []).map((record) => ("data" in record ? record.data : ""));
const rcodeOf = (answer: DecodedPacket | string): unknown =>
  typeof answer === "string" ? answer : (answer as DecodedPacket & { rcode: string }).rcode;

test("names, aliases and ids answer with the address, in any case, and the question comes back as it was", () => {
  const names = namesOf(box("web", place("front", ["web", "www", "0123456789ab"], "10.1.0.2", { ipv6: "fd00:1::2" })));
  for (const name of ["web", "WWW", "0123456789ab", "web.front", "Web.Front"])
    expect(dataOf(ask(names, "web", name))).toEqual(["10.1.0.2"]);
  expect(dataOf(ask(names, "web", "web", "AAAA"))).toEqual(["fd00:1::2"]);
  const answer = ask(names, "web", "wEb");
  expect(answer).toMatchObject({
    id: 77,
    type: "response",
    flag_aa: true,
    flag_rd: true,
    flag_ra: true,
    questions: [{ name: "wEb" }],
    answers: [{ name: "wEb", ttl: 5, class: "IN" }],
  });
});

test("a name without the asked kind of address exists all the same, and is never asked for outside", () => {
  const names = namesOf(box("web", place("front", ["web"], "10.1.0.2")));
  for (const type of ["AAAA", "MX", "TXT", "SRV"]) {
    expect(dataOf(ask(names, "web", "web", type))).toEqual([]);
    expect(rcodeOf(ask(names, "web", "web", type))).toBe("NOERROR");
  }
  expect(ask(names, "web", "nobody")).toBe("forward");
});

test("names are seen only on the networks of who asks, the first network first", () => {
  const names = namesOf(
    box("a", place("red", ["a"], "10.1.0.2"), place("blue", ["a"], "10.2.0.2")),
    box("b", place("blue", ["b", "db"], "10.2.0.3")),
    box("c", place("red", ["c", "db"], "10.1.0.4")),
    box("d", place("green", ["d", "db"], "10.3.0.4")),
  );
  expect(dataOf(ask(names, "a", "db"))).toEqual(["10.1.0.4"]);
  expect(dataOf(ask(names, "a", "db.blue"))).toEqual(["10.2.0.3"]);
  expect(dataOf(ask(names, "b", "db"))).toEqual(["10.2.0.3"]);
  expect(ask(names, "b", "c")).toBe("forward");
  expect(ask(names, "b", "db.red")).toBe("forward");
  expect(ask(names, "d", "a")).toBe("forward");
  names.drop("c");
  expect(dataOf(ask(names, "a", "db"))).toEqual(["10.2.0.3"]);
});

test("several containers of one alias take turns", () => {
  const names = namesOf(...[2, 3, 4].map((n) => box(`c${n}`, place("front", [`c${n}`, "pool"], `10.1.0.${n}`))));
  const firsts = new Set<unknown>();
  for (let index = 0; index < 6; index += 1) {
    const all = dataOf(ask(names, "c2", "pool")) as string[];
    expect(all.toSorted()).toEqual(["10.1.0.2", "10.1.0.3", "10.1.0.4"]);
    firsts.add(all[0]);
  }
  expect(firsts.size).toBe(3);
});

test("links are names of one container only, and follow the other's name", () => {
  const names = namesOf(
    box("app", place("front", ["app"], "10.1.0.2", { links: { Database: "pg" } })),
    box("pg", place("front", ["pg"], "10.1.0.3")),
    box("other", place("front", ["other"], "10.1.0.4")),
  );
  expect(dataOf(ask(names, "app", "database"))).toEqual(["10.1.0.3"]);
  expect(ask(names, "other", "database")).toBe("forward");
});

test("addresses have names; an address of our networks that nobody has is no name, others are asked outside", () => {
  const names = namesOf(
    box("web", place("front", ["web", "www"], "10.1.0.2", { ipv6: "fd00:1::2" })),
    box("far", place("back", ["far"], "10.9.0.2", { subnets: ["10.9.0.0/16"] })),
  );
  expect(dataOf(ask(names, "web", "2.0.1.10.in-addr.arpa", "PTR"))).toEqual(["web.front"]);
  const six = `${"2".padEnd(16, "0").split("").join(".")}.${"10000000000100df".slice(0, 0)}0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa`;
  expect(dataOf(ask(names, "web", six, "PTR"))).toEqual(["web.front"]);
  expect(rcodeOf(ask(names, "web", "99.0.1.10.in-addr.arpa", "PTR"))).toBe("NXDOMAIN");
  expect(ask(names, "web", "2.0.9.10.in-addr.arpa", "PTR")).toBe("forward");
  expect(ask(names, "web", "8.8.8.8.in-addr.arpa", "PTR")).toBe("forward");
  expect(ask(names, "web", "nonsense.in-addr.arpa", "PTR")).toBe("forward");
});

test("an answer too large for the client is cut and says so; by TCP it is whole; EDNS makes room", () => {
  const names = namesOf(
    ...Array.from({ length: 100 }, (_, n) => box(`c${n}`, place("front", ["pool"], `10.1.1.${n + 1}`))),
  );
  const plain = ask(names, "c0", "pool");
  expect(plain).toMatchObject({ flag_tc: true });
  const cut = lookUp(names, "c0", query("pool", "A"), "udp");
  expect(cut.kind === "answer" && cut.packet.length <= 512).toBe(true);
  const byTcp = lookUp(names, "c0", query("pool", "A"), 65_535);
  const whole = byTcp.kind === "answer" ? decode(Buffer.from(byTcp.packet)) : undefined;
  expect(whole?.answers?.length).toBe(100);
  expect(whole?.flag_tc).toBe(false);
  const edns = {
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: 4096,
        flags: 0,
        options: [],
        extendedRcode: 0,
        ednsVersion: 0,
        flag_do: false,
      },
    ],
  } as unknown as Partial<Packet>;
  const large = lookUp(names, "c0", query("pool", "A", edns), "udp");
  const roomy = large.kind === "answer" ? decode(Buffer.from(large.packet)) : undefined;
  expect(roomy?.answers?.length).toBe(100);
  expect(roomy?.additionals).toMatchObject([{ type: "OPT", udpPayloadSize: 1232 }]);
});

test("what is no query gets an error or nothing: answers, other opcodes, two questions, names with pointers", () => {
  const names = namesOf(box("web", place("front", ["web"], "10.1.0.2")));
  const outcome = (packet: Buffer): string | number => {
    const found = lookUp(names, "web", packet, "udp");
    return found.kind === "answer" ? (found.packet[3] ?? 0) & 15 : found.kind;
  };
  const good = query("web", "A");
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(good);
    copy[at] = value;
    return copy;
  };
  expect(outcome(good)).toBe(0);
  expect(outcome(good.subarray(0, 11))).toBe("ignore");
  expect(outcome(changed(2, 0x80))).toBe("ignore");
  expect(outcome(changed(2, 0x28))).toBe(4);
  expect(outcome(changed(5, 2))).toBe(1);
  expect(outcome(changed(5, 0))).toBe(1);
  expect(outcome(changed(12, 0xc0))).toBe(1); // points at itself
  expect(outcome(changed(12, 0x45))).toBe(1);
  expect(outcome(changed(12, 63))).toBe(1);
  expect(outcome(good.subarray(0, good.length - 1))).toBe(1);
  const loop = Buffer.concat([good.subarray(0, 12), Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])]);
  expect(outcome(loop)).toBe(1);
  const liar = Buffer.concat([changed(11, 1), Buffer.from([0, 0, 41, 16, 0, 0, 0, 0, 0, 0xff, 0xff])]);
  expect(outcome(liar)).toBe(1);
});

test("no bytes whatever make the reader fail or answer what the packet does not ask", () => {
  const names = namesOf(box("web", place("front", ["web"], "10.1.0.2")));
  const good = query("web", "A");
  const packets = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc.tuple(fc.nat(good.length - 1), fc.uint8Array({ maxLength: 40 })).map(([at, bytes]) => {
      const copy = Buffer.concat([good, Buffer.alloc(40)]);
      copy.set(bytes, at);
      return copy;
    }),
  );
  fc.assert(
    fc.property(packets, (packet) => {
      const found = lookUp(names, "web", packet, "udp");
      if (found.kind !== "answer") return true;
      return found.packet.length <= Math.max(512, packet.length + 100) && ((found.packet[2] ?? 0) & 0x80) !== 0;
    }),
    { numRuns: 3000 },
  );
});
