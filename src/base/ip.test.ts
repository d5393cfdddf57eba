import { expect, test } from "bun:test";
import { cidrOf, contains, formatCidr, formatIp, ipBytes, ipOfBytes, overlaps, parseCidr, parseIp } from "./ip.ts";

test("addresses are read and written in their canonical form", () => {
  const pairs = [
    ["10.0.0.1", "10.0.0.1"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["::ffff:1.2.3.4", "::ffff:102:304"],
    ["fd00:0:0:0:0:0:0:0", "fd00::"],
  ] as const;
  for (const [text, canonical] of pairs) {
    const ip = parseIp(text);
    if (ip === undefined) throw new Error(`${text} was refused`);
    expect(formatIp(ip)).toBe(canonical);
    expect(ipOfBytes(ipBytes(ip))).toEqual(ip);
  }
});

test("what is no address is refused", () => {
  for (const text of [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "01.2.3.4",
    "1.2.3.4 ",
    "a.b.c.d",
    ":",
    ":::",
    "1::2::3",
    "12345::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8",
    "fe80::1%eth0",
    "::1.2.3",
    "1.2.3.4::",
    "-1.0.0.0",
    "0x1.0.0.0",
  ])
    expect(parseIp(text)).toBeUndefined();
});

test("networks know their range", () => {
  const cidr = parseCidr("172.18.4.7/22");
  if (cidr === undefined) throw new Error("refused");
  expect(formatCidr(cidr)).toBe("172.18.4.0/22");
  expect(contains(cidr, { family: 4, value: cidr.end })).toBe(true);
  expect(contains(cidr, { family: 4, value: cidr.end + 1n })).toBe(false);
  expect(contains(cidr, { family: 6, value: cidr.start })).toBe(false);
  const other = parseCidr("172.18.7.255/32");
  expect(other !== undefined && overlaps(cidr, other)).toBe(true);
  expect(cidrOf({ family: 4, value: 0n }, 0).end).toBe(0xffffffffn);
  for (const text of ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/24", "::/129", "/24"]) {
    expect(parseCidr(text)).toBeUndefined();
  }
});
