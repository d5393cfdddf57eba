import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configFolder, parseHost, resolveEndpoint } from "./host.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-host-"));
afterAll(() => rmSync(folder, { recursive: true }));

const none = {
  host: [],
  context: undefined,
  tls: false,
  tlsverify: false,
  tlscacert: undefined,
  tlscert: undefined,
  tlskey: undefined,
};

describe("resolveEndpoint", () => {
  test("takes -H before the environment, and ours before docker's", () => {
    const env = { BERTH_HOST: "unix:///b", DOCKER_HOST: "unix:///d" };
    expect(resolveEndpoint({ ...none, host: ["unix:///h"] }, env, folder)).toEqual({ host: "unix:///h" });
    expect(resolveEndpoint(none, env, folder)).toEqual({ host: "unix:///b" });
    expect(resolveEndpoint(none, { DOCKER_HOST: "unix:///d" }, folder)).toEqual({ host: "unix:///d" });
  });

  test("refuses two hosts, and a host with a context", () => {
    expect(() => resolveEndpoint({ ...none, host: ["a", "b"] }, {}, folder)).toThrow("Specify only one -H");
    expect(() => resolveEndpoint({ ...none, host: ["a"], context: "c" }, {}, folder)).toThrow(
      "cannot specify both --host and --context",
    );
  });

  test("reads a context of docker's store, which wins over DOCKER_HOST only as a flag", () => {
    const id = new Bun.CryptoHasher("sha256").update("far").digest("hex");
    mkdirSync(join(folder, "contexts/meta", id), { recursive: true });
    writeFileSync(
      join(folder, "contexts/meta", id, "meta.json"),
      JSON.stringify({ Name: "far", Endpoints: { docker: { Host: "tcp://far.example:2375" } } }),
    );
    expect(resolveEndpoint({ ...none, context: "far" }, { DOCKER_HOST: "unix:///d" }, folder).host).toBe(
      "tcp://far.example:2375",
    );
    expect(resolveEndpoint(none, { DOCKER_CONTEXT: "far", DOCKER_HOST: "unix:///d" }, folder).host).toBe("unix:///d");
    expect(resolveEndpoint(none, { DOCKER_CONTEXT: "far" }, folder).host).toBe("tcp://far.example:2375");
    writeFileSync(join(folder, "config.json"), JSON.stringify({ currentContext: "far" }));
    expect(resolveEndpoint(none, {}, folder).host).toBe("tcp://far.example:2375");
    expect(() => resolveEndpoint({ ...none, context: "../x" }, {}, folder)).toThrow(
      'context "../x": context not found',
    );
  });

  test("takes PEM files from DOCKER_CERT_PATH when TLS is asked for", () => {
    writeFileSync(join(folder, "ca.pem"), "CA");
    const env = { DOCKER_HOST: "tcp://h", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: folder };
    expect(resolveEndpoint(none, env, "/nowhere")).toEqual({ host: "tcp://h:2376", tls: { ca: "CA", verify: true } });
    expect(() =>
      resolveEndpoint({ ...none, tls: true, tlscacert: "/nosuch" }, { DOCKER_HOST: "tcp://h" }, folder),
    ).toThrow("/nosuch");
  });
});

test("parseHost() completes what is left out", () => {
  expect(parseHost("h", false)).toBe("tcp://h:2375");
  expect(parseHost(":99", true)).toBe("tcp://localhost:99");
  expect(parseHost("tcp://h", true)).toBe("tcp://h:2376");
  expect(parseHost("tcp://[::1]:5", false)).toBe("tcp://[::1]:5");
  expect(() => parseHost("ftp://x", false)).toThrow("invalid bind address format: ftp://x");
});

test("configFolder() is the flag, DOCKER_CONFIG, then the home folder's", () => {
  expect(configFolder("/f", { DOCKER_CONFIG: "/e", HOME: "/h" })).toBe("/f");
  expect(configFolder(undefined, { DOCKER_CONFIG: "/e", HOME: "/h" })).toBe("/e");
  expect(configFolder(undefined, { HOME: "/h" })).toBe("/h/.docker");
});
