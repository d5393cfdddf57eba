import { expect, test } from "bun:test";
import { hostnameFile, hostsFile, nameservers, parseResolv, resolvFile } from "./etc-files.ts";

const hosts = { hostname: "web", domainname: "", addresses: ["172.17.0.2"], extraHosts: [], links: [], ipv6: true };

test("hostsFile() has Docker's rows, tabs and order", () => {
  expect(
    hostsFile({
      ...hosts,
      extraHosts: ["db:10.0.0.5", "six:fd00::1"],
      links: [{ ip: "172.17.0.3", alias: "cache", name: "redis", hostname: "abc" }],
    }),
  ).toBe(
    "127.0.0.1\tlocalhost\n" +
      "::1\tlocalhost ip6-localhost ip6-loopback\n" +
      "fe00::\tip6-localnet\n" +
      "ff00::\tip6-mcastprefix\n" +
      "ff02::1\tip6-allnodes\n" +
      "ff02::2\tip6-allrouters\n" +
      "10.0.0.5\tdb\n" +
      "fd00::1\tsix\n" +
      "172.17.0.3\tcache abc redis\n" +
      "172.17.0.2\tweb\n",
  );
});

test("hostsFile() without IPv6 leaves its rows out, but what the user said", () => {
  expect(hostsFile({ ...hosts, ipv6: false, addresses: ["172.17.0.2", "fd00::2"], extraHosts: ["six:fd00::1"] })).toBe(
    "127.0.0.1\tlocalhost\nfd00::1\tsix\n172.17.0.2\tweb\n",
  );
});

test("hostsFile() knows a name with a domain by its short form", () => {
  expect(hostsFile({ ...hosts, domainname: "example.org", ipv6: false })).toEndWith(
    "172.17.0.2\tweb.example.org web\n",
  );
  expect(hostsFile({ ...hosts, hostname: "web.example.org", ipv6: false })).toEndWith(
    "172.17.0.2\tweb.example.org web\n",
  );
});

test("hostnameFile() is one line", () => {
  expect(hostnameFile("web")).toBe("web\n");
});

const hostFile =
  "# made by hand\nnameserver 127.0.0.53\nnameserver 10.0.0.1 # office\nnameserver fd00::1\nnameserver nonsense\ndomain old\nsearch lan example.org\noptions edns0\noptions timeout:2\nsortlist 10.0.0.0\n";
const none = { nameservers: [], search: [], options: [] };
const input = { resolv: none, hostFile, internal: [], hostNetwork: false, ipv6: false };

test("resolvFile() takes the host's servers that a container can reach", () => {
  expect(resolvFile(input)).toBe(
    "nameserver 10.0.0.1\nsearch lan example.org\noptions edns0 timeout:2\nsortlist 10.0.0.0\n",
  );
  expect(nameservers({ ...input, ipv6: true })).toEqual(["10.0.0.1", "fd00::1"]);
});

test("resolvFile() falls back to fixed servers, not on the host's own network", () => {
  const local = { ...input, hostFile: "nameserver 127.0.0.53\nnameserver ::1\n" };
  expect(resolvFile(local)).toBe("nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
  expect(resolvFile({ ...local, ipv6: true })).toBe(
    "nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n",
  );
  expect(resolvFile({ ...local, hostNetwork: true })).toBe("nameserver 127.0.0.53\nnameserver ::1\n");
  expect(resolvFile({ ...local, hostFile: "" })).toBe("nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
});

test("resolvFile() lets --dns and its kin replace the host's", () => {
  expect(
    resolvFile({ ...input, resolv: { nameservers: ["127.0.0.1", "9.9.9.9"], search: ["mine"], options: ["ndots:3"] } }),
  ).toBe("nameserver 127.0.0.1\nnameserver 9.9.9.9\nsearch mine\noptions ndots:3\nsortlist 10.0.0.0\n");
});

test("resolvFile() lists only the network's own server, which wants ndots", () => {
  expect(resolvFile({ ...input, internal: ["127.0.0.11"] })).toBe(
    "nameserver 127.0.0.11\nsearch lan example.org\noptions edns0 timeout:2 ndots:0\nsortlist 10.0.0.0\n",
  );
  expect(resolvFile({ ...input, internal: ["127.0.0.11"], resolv: { ...none, options: ["ndots:5"] } })).toContain(
    "options ndots:5\n",
  );
});

test("parseResolv() keeps the last search and skips comments", () => {
  expect(parseResolv("; c\n  # d\nsearch a\nsearch b c\n")).toEqual({
    nameservers: [],
    search: ["b", "c"],
    options: [],
    other: [],
  });
});
