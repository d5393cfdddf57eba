import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { makeAuthority } from "../../../test/harness/certificates.ts";
import { readServerTls, systemAuthorities } from "./certificates.ts";

let folder: string;
let files: Record<"ca" | "cert" | "key" | "otherKey", string>;
beforeAll(async () => {
  folder = await mkdtemp("/tmp/berth-certs-");
  const authority = await makeAuthority(folder);
  const [one, two] = [await authority.issue("one", []), await authority.issue("two", [])];
  const text = (path: string): string => readFileSync(path, "utf8");
  files = { ca: text(authority.file), cert: text(one.certificate), key: text(one.key), otherKey: text(two.key) };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What certs.d holds for `reg.test:5000` with these files in it. */
function read(content: Record<string, string>, host = "reg.test:5000") {
  const root = join(folder, crypto.randomUUID());
  mkdirSync(join(root, "reg.test:5000"), { recursive: true });
  for (const [name, text] of Object.entries(content)) writeFileSync(join(root, "reg.test:5000", name), text);
  return readServerTls(host, { folders: [root, join(root, "none")], authorities: ["system"], verify: true });
}

test("authorities are added to the machine's, for the host and port they are for", () => {
  expect(read({ "a.crt": files.ca, "b.crt": files.ca, "readme.txt": "x" })).toEqual({
    ca: ["system", files.ca, files.ca],
    rejectUnauthorized: true,
  });
  expect(read({ "a.crt": files.ca }, "reg.test:5001")).toEqual({ ca: ["system"], rejectUnauthorized: true });
});

test("a client certificate comes with its key", () => {
  expect(read({ "client.cert": files.cert, "client.key": files.key })).toEqual({
    ca: ["system"],
    rejectUnauthorized: true,
    cert: files.cert,
    key: files.key,
  });
});

test("what is missing, mixed up or no certificate is named by its file", () => {
  for (const [content, text] of [
    [{ "client.cert": files.cert }, "missing key client.key for client certificate client.cert"],
    [{ "client.key": files.key }, "missing client certificate client.cert for key client.key"],
    [{ "ca.crt": "garbage" }, "ca.crt holds no certificate"],
    [{ "ca.crt": files.key }, "ca.crt holds no certificate"],
    [
      { "ca.crt": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
      "ca.crt holds a certificate that cannot be read",
    ],
    [{ "client.cert": files.cert, "client.key": "garbage" }, "client.key is no private key"],
    [{ "client.cert": files.cert, "client.key": files.otherKey }, "is not the key of the certificate client.cert"],
  ] as const)
    expect(() => read(content)).toThrow(text);
});

test("the port that is the protocol's own may stand in the folder's name", () => {
  const root = join(folder, "own");
  mkdirSync(join(root, "reg.test:443"), { recursive: true });
  writeFileSync(join(root, "reg.test:443", "ca.crt"), files.ca);
  expect(readServerTls("reg.test", { folders: [root], authorities: [], verify: false })).toEqual({
    ca: [files.ca],
    rejectUnauthorized: false,
  });
});

test("the machine's authorities are those of a file, where one is named", () => {
  expect(systemAuthorities(join(folder, "ca.pem"))).toEqual([files.ca]);
  expect(systemAuthorities(join(folder, "nothing"))).toEqual([]);
});
