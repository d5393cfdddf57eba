import { expect, test } from "bun:test";
import { errorMessage } from "../../base/errors.ts";
import type { HostConfig } from "../../spec/engine/types.gen.ts";
import { planNetLimits } from "./net-limits.ts";

const rate = (text: string): HostConfig => ({ Annotations: { "io.berth.net.rate": text } });
const egress = (text: string, more: HostConfig = {}): HostConfig => ({
  ...more,
  Annotations: { "io.berth.net.egress-allow": text },
});
const refused = (host: HostConfig, mode = "bridge"): string => {
  try {
    planNetLimits(host, mode);
    return "taken";
  } catch (error) {
    return errorMessage(error);
  }
};

test("rates are bits a second with tc's units; one direction may be free", () => {
  expect(planNetLimits(rate("in=10mbit,out=1.5g"), "bridge")).toEqual({ rate: { inBps: 10e6, outBps: 1.5e9 } });
  expect(planNetLimits(rate("out=64000"), "front")).toEqual({ rate: { inBps: 0, outBps: 64_000 } });
  expect(planNetLimits({}, "host")).toEqual({});
  for (const text of ["", "in=", "in=-1mbit", "in=1", "in=1mbyte", "both=1mbit", "in=1mbit;out=1mbit", "in=1e999g"])
    expect(refused(rate(text))).toStartWith("invalid net rate");
});

test("egress takes subnets, addresses and names, and nothing that is none of them", () => {
  expect(
    planNetLimits(egress("10.1.2.3/8, 192.0.2.1,2001:DB8::1,API.Example.com.,*.cdn.test"), "front").egress,
  ).toEqual(["10.0.0.0/8", "192.0.2.1/32", "2001:db8::1/128", "api.example.com", "*.cdn.test"]);
  expect(planNetLimits(egress(""), "front").egress).toEqual([]); // nothing outside at all
  for (const text of ["a b", "10.0.0.0/40", "999.1.1.1", "*", "*.", "a..b", "http://x", "a.*.b"])
    expect(refused(egress(text))).toStartWith("invalid egress destination");
});

test("limits need a network of the container's own, and a container that cannot undo them", () => {
  for (const mode of ["host", "none", "container:abc"])
    expect(refused(rate("in=1mbit"), mode)).toContain("need a network of the container's own");
  for (const host of [
    { Privileged: true },
    { CapAdd: ["NET_ADMIN"] },
    { CapAdd: ["cap_sys_admin"] },
    { CapAdd: ["ALL"] },
  ])
    expect(refused(egress("10.0.0.0/8", host))).toContain("cannot bind a privileged container");
  expect(refused(egress("10.0.0.0/8", { CapAdd: ["NET_RAW"] }))).toBe("taken");
});
