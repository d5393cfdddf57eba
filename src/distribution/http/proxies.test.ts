import { expect, test } from "bun:test";
import { inSubnet, proxiesOf, proxyFor } from "./proxies.ts";

const settings = (no: string) => ({ http: "http://p:1", https: "q:2", no });
const proxied = (url: string, no = ""): string | undefined => proxyFor(new URL(url), settings(no));

test("proxyFor() takes the proxy of the protocol, and none for the own machine", () => {
  expect(proxied("http://a.test/")).toBe("http://p:1");
  expect(proxied("https://a.test/")).toBe("http://q:2");
  for (const own of ["http://localhost:5000/", "https://127.0.0.1/", "http://127.8.9.1/", "http://[::1]:80/"])
    expect(proxied(own)).toBeUndefined();
  expect(proxyFor(new URL("http://a.test/"), { http: "", https: "q:2", no: "" })).toBeUndefined();
});

test("NO_PROXY has Go's rules: names with what is below them, suffixes, ports, addresses, CIDRs, all", () => {
  const direct = (url: string, no: string): boolean => proxied(url, no) === undefined;
  expect(direct("http://a.test/", "b.test, a.test")).toBe(true);
  expect(direct("http://sub.a.test/", "a.test")).toBe(true);
  expect(direct("http://nota.test/", "a.test")).toBe(false);
  expect(direct("http://a.test/", ".a.test")).toBe(false);
  expect(direct("http://sub.A.test/", ".a.test")).toBe(true);
  expect(direct("http://sub.a.test/", "*.a.test")).toBe(true);
  expect(direct("http://a.test:5000/", "a.test:5000")).toBe(true);
  expect(direct("http://a.test:5001/", "a.test:5000")).toBe(false);
  expect(direct("https://a.test/", "a.test:443")).toBe(true);
  expect(direct("http://10.1.2.3/", "10.0.0.0/8")).toBe(true);
  expect(direct("http://11.1.2.3/", "10.0.0.0/8")).toBe(false);
  expect(direct("http://10.1.2.3/", "10.1.2.3")).toBe(true);
  expect(direct("http://10.1.2.3:80/", "10.1.2.3:80")).toBe(true);
  expect(direct("http://[fd00::1]/", "fd00::/8")).toBe(true);
  expect(direct("http://[fd00::1]:8080/", "[fd00::1]:8080")).toBe(true);
  expect(direct("http://a.test/", "*")).toBe(true);
  expect(direct("http://a.test/", " , ")).toBe(false);
});

test("proxiesOf() prefers small letters", () => {
  expect(proxiesOf({ HTTP_PROXY: "a", http_proxy: "b", HTTPS_PROXY: "c", no_proxy: "d" })).toEqual({
    http: "b",
    https: "c",
    no: "d",
  });
});

test("inSubnet() is false for what is no address or no CIDR", () => {
  expect(inSubnet("10.0.0.1", "10.0.0.0/33")).toBe(false);
  expect(inSubnet("10.0.0.1", "10.0.0.0")).toBe(false);
  expect(inSubnet("name", "10.0.0.0/8")).toBe(false);
  expect(inSubnet("10.0.0.1", "::/0")).toBe(false);
  expect(inSubnet("10.0.0.1", "0.0.0.0/0")).toBe(true);
});
