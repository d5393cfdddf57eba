import { expect, test } from "bun:test";
import { familiarReference, parseReference, withDefaultTag } from "./reference.ts";

const digest = `sha256:${"a".repeat(64)}`;

test.each([
  ["busybox", "docker.io", "library/busybox", "busybox:latest"],
  ["busybox:1.36", "docker.io", "library/busybox", "busybox:1.36"],
  ["docker.io/busybox", "docker.io", "library/busybox", "busybox:latest"],
  ["index.docker.io/library/busybox", "docker.io", "library/busybox", "busybox:latest"],
  ["a/b", "docker.io", "a/b", "a/b:latest"],
  ["a/b/c:T_1.x-y", "docker.io", "a/b/c", "a/b/c:T_1.x-y"],
  ["localhost/x", "localhost", "x", "localhost/x:latest"],
  ["localhost:5000/x/y:z", "localhost:5000", "x/y", "localhost:5000/x/y:z"],
  ["Example.com/x", "Example.com", "x", "Example.com/x:latest"],
  ["[::1]:5000/x", "[::1]:5000", "x", "[::1]:5000/x:latest"],
  [`x@${digest}`, "docker.io", "library/x", `x@${digest}`],
  [`x:t@${digest}`, "docker.io", "library/x", `x:t@${digest}`],
  ["a__b/c-d.e", "docker.io", "a__b/c-d.e", "a__b/c-d.e:latest"],
])("parseReference(%p) finds host and path and gives the familiar form back", (text, domain, path, familiar) => {
  const reference = parseReference(text);
  expect([reference.domain, reference.path]).toEqual([domain, path]);
  expect(familiarReference(withDefaultTag(reference))).toBe(familiar);
});

test.each([
  ["UPPER", "invalid reference format: repository name (library/UPPER) must be lowercase"],
  ["a/B", "invalid reference format: repository name (a/B) must be lowercase"],
  ["", "invalid reference format"],
  ["x:", "invalid reference format"],
  ["x:a b", "invalid reference format"],
  [":tag", "invalid reference format"],
  ["a//b", "invalid reference format"],
  ["a_-b", "invalid reference format"],
  ["-a", "invalid reference format"],
  ["../x", "invalid reference format"],
  [`x:${"t".repeat(129)}`, "invalid reference format"],
  ["x@sha256:abc", "invalid reference format"],
  ["x@md5:d41d8cd98f00b204e9800998ecf8427e", "unsupported digest algorithm"],
  [`x@sha256:${"a".repeat(63)}`, "invalid checksum digest length"],
  ["a".repeat(64), `invalid repository name (${"a".repeat(64)}), cannot specify 64-byte hexadecimal strings`],
  ["x".repeat(256), "repository name must not be more than 255 characters"],
])("parseReference(%p) refuses with Docker's words", (text, message) => {
  expect(() => parseReference(text)).toThrow(message);
});
