import { expect, test } from "bun:test";
import { parseSignal } from "./signals.ts";

test("parseSignal() reads names with and without SIG, in any case, and numbers", () => {
  expect(["TERM", "SIGTERM", "sigterm", "15"].map(parseSignal)).toEqual([15, 15, 15, 15]);
  expect(parseSignal("SIGKILL")).toBe(9);
  expect(parseSignal("64")).toBe(64);
});

test("parseSignal() counts real-time signals from both ends", () => {
  expect(parseSignal("RTMIN")).toBe(34);
  expect(parseSignal("SIGRTMIN+3")).toBe(37);
  expect(parseSignal("RTMAX-2")).toBe(62);
  expect(parseSignal("RTMAX")).toBe(64);
});

test("parseSignal() refuses what is no signal, with Docker's text", () => {
  for (const bad of ["", "0", "-1", "65", "NOPE", "RTMIN+31", "RTMIN-1", "RTMAX+1", "constructor", "9x"]) {
    expect(() => parseSignal(bad)).toThrow(`invalid signal: ${bad}`);
  }
});
