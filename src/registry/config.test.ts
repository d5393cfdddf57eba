import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseBytes, parseDuration } from "./config-reader.ts";
import { parseListen, readOptions } from "./config.ts";
import { defaultOptions } from "./options.ts";

let folder = "";
beforeAll(async () => void (folder = await mkdtemp("/tmp/berth-config-")));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(yaml: string, flags: object = {}) {
  const config = join(folder, "settings.yaml");
  await writeFile(config, yaml);
  return readOptions({ config, ...flags });
}

test("readOptions(): no file, an empty file and no flags give the defaults", async () => {
  const expected = { ...defaultOptions, root: "/var/lib/berth/registry" };
  expect(await readOptions({})).toEqual(expected);
  expect(await read("")).toEqual(expected);
});

test("readOptions(): every setting of the documentation is read", async () => {
  process.env["BERTH_TEST_SECRET"] = "from the environment";
  const page = await Bun.file(new URL("../../docs/registry.md", import.meta.url)).text();
  const [, yaml = ""] = /```yaml\n([^]*?)```/.exec(page) ?? [];
  const options = await read(
    yaml.replace("$S3_SECRET", "$BERTH_TEST_SECRET").replace("$HUB_TOKEN", "$BERTH_TEST_SECRET"),
  );
  expect(options).toMatchObject({
    root: "/srv/registry",
    listen: { hostname: "0.0.0.0", port: 5000 },
    tls: { certFile: "/etc/r/cert.pem", keyFile: "/etc/r/key.pem", clientCaFile: "/etc/r/ca.pem" },
    externalUrl: "https://registry.example.com",
    anonymous: [{ pattern: "public/**", actions: ["pull"] }],
    users: [{ pattern: "**", actions: ["pull"] }],
    storage: { driver: "s3", bucket: "images", prefix: "registry/", secretAccessKey: "from the environment" },
    collection: { graceMs: 3_600_000, everyMs: 86_400_000, untagged: false },
    remotes: [
      { prefix: "hub/", upstream: "docker.io", username: "me", password: "from the environment", freshMs: 60_000 },
    ],
    webhooks: [{ name: "ci", actions: ["push", "delete"], timeoutMs: 5000, headers: { Authorization: "Bearer x" } }],
    audit: { maxFileBytes: 16 * 2 ** 20, maxFiles: 8 },
  });
});

test("readOptions(): flags are stronger than the file", async () => {
  const options = await read("listen: 1.2.3.4:1\nanonymous: [{actions: [pull]}]\n", {
    listen: ":7",
    anonymous: "",
    root: "/r",
  });
  expect([options.listen, options.anonymous, options.root]).toEqual([{ hostname: "0.0.0.0", port: 7 }, [], "/r"]);
});

test("readOptions() names the key that is wrong", async () => {
  for (const [yaml, message] of [
    ["[]", "a section with keys is wanted"],
    ["gc: 5", "gc: a section with keys is wanted"],
    ["gc: {every: daily}", "gc: every: a time as"],
    ["tls: {cert: a}", "tls: key: it is missing"],
    ["storage: {driver: tape}", "storage: driver: one of filesystem, s3"],
    ["storage: {driver: s3}", "storage: bucket: it is missing"],
    ["anonymous: [{actions: [fly]}]", "anonymous[0]: actions: pull, push and delete"],
    ["anonymous: [{repositories: 'a b', actions: [pull]}]", 'anonymous[0]: repositories: "a b" is no pattern'],
    ["webhooks: [{url: 'ftp://x'}]", "webhooks[0]: url: an http or https address"],
    ["remotes: [{upstream: a, password: $NOT_THERE_AT_ALL}]", "the environment has no NOT_THERE_AT_ALL"],
    ["audit: {max-size: much}", "audit: max-size: a size as"],
    ["root: relative", "must be an absolute path"],
    ["listen: [", "cannot be read"],
  ] as const) {
    const said = await read(yaml).then(
      () => "nothing",
      (error: unknown) => String(error),
    );
    expect([yaml, said]).toEqual([yaml, expect.stringContaining(message)]);
  }
});

test("addresses, times and sizes", () => {
  expect(["127.0.0.1:5000", ":0", "[::1]:80", "host.example:1"].map(parseListen)).toEqual([
    { hostname: "127.0.0.1", port: 5000 },
    { hostname: "0.0.0.0", port: 0 },
    { hostname: "::1", port: 80 },
    { hostname: "host.example", port: 1 },
  ]);
  for (const bad of ["5000", "a:b", "a:99999", "::1:80", ""]) expect(() => parseListen(bad)).toThrow("want HOST:PORT");
  expect(["0", "90s", "12h", "30d", "1.5h", "h", "-1s"].map(parseDuration)).toEqual([
    0,
    90_000,
    43_200_000,
    2_592_000_000,
    undefined,
    undefined,
    undefined,
  ]);
  expect(["512M", "1.5g", "7", "10KiB", "x"].map(parseBytes)).toEqual([
    512 * 2 ** 20,
    1.5 * 2 ** 30,
    7,
    10 * 1024,
    undefined,
  ]);
});
