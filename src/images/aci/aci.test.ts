import { expect, test } from "bun:test";
import { tarOf } from "../../snapshots/apply/tar-fixture.ts";
import { aciKey, aciManifest, configOf, referenceOf } from "./convert.ts";
import { isAci } from "./detect.ts";
import { readAciManifest } from "./manifest.ts";

const manifest = (more: object): Buffer =>
  Buffer.from(JSON.stringify({ acKind: "ImageManifest", acVersion: "0.8.11", name: "example.com/app", ...more }));

test("isAci() tells an App Container Image by its first member that says something", () => {
  expect(isAci(tarOf({ name: "manifest", content: "{}" }))).toBe(true);
  expect(isAci(tarOf({ name: "./", type: "folder" }, { name: "./rootfs/", type: "folder" }))).toBe(true);
  expect(isAci(tarOf({ name: "rootfs/bin/sh", content: "x" }))).toBe(true);
  expect(isAci(tarOf({ name: "manifest.json", content: "[]" }))).toBe(false);
  expect(isAci(tarOf({ name: "blobs/", type: "folder" }, { name: "manifest", content: "{}" }))).toBe(false);
  expect(isAci(tarOf({ name: "a", content: "x".repeat(600) }))).toBe(false);
  expect(isAci(Buffer.alloc(0))).toBe(false);
  expect(isAci(Buffer.alloc(70_000, 255))).toBe(false);
});

test("readAciManifest() refuses what is none, and says why", () => {
  const refused: [Buffer, string][] = [
    [Buffer.from("{"), "it is not JSON"],
    [Buffer.from("[]"), "it is no object"],
    [manifest({ acKind: "PodManifest" }), "its acKind"],
    [manifest({ acVersion: 1 }), "no acVersion"],
    [manifest({ name: "Bad Name" }), "its name"],
    [manifest({ name: "../x" }), "its name"],
    [manifest({ labels: {} }), "its labels is no list"],
    [manifest({ labels: [1] }), "a member of its labels is no object"],
    [manifest({ app: [] }), "app is no object"],
    [manifest({ app: { exec: "sh" } }), "its exec is no list of texts"],
    [manifest({ app: { ports: [{ name: "a", protocol: "tcp", port: 0 }] } }), "its port 0/tcp is none"],
    [manifest({ app: { ports: [{ name: "a", protocol: "tcp", port: 65_535, count: 2 }] } }), "is none"],
    [manifest({ app: { environment: [{ name: 1 }] } }), "its name is no text"],
    [manifest({ pathWhitelist: [1] }), "pathWhitelist"],
  ];
  for (const [bytes, why] of refused) expect(() => readAciManifest(bytes)).toThrow(why);
});

test("an image that came as ACI leaves with what only that format knows", () => {
  const value = {
    acKind: "ImageManifest",
    acVersion: "0.8.11",
    name: "example.com/app",
    labels: [{ name: "arch", value: "armv7l" }],
    annotations: [{ name: "authors", value: "me" }],
    app: {
      exec: ["/app", "-x"],
      user: "1",
      group: "2",
      isolators: [{ name: "os/linux/no-new-privileges", value: true }],
    },
  };
  const kept = { id: "sha512-0", manifest: value };
  const config = configOf(readAciManifest(Buffer.from(JSON.stringify(value))), kept, { diffIds: ["sha256:1"] });
  expect(config).toMatchObject({
    architecture: "arm",
    variant: "v7",
    author: "me",
    config: { User: "1:2" },
    [aciKey]: kept,
  });
  expect(aciManifest({ config, id: `sha256:${"1".repeat(64)}` }, undefined)).toMatchObject({
    name: "example.com/app",
    annotations: value.annotations,
    labels: [
      { name: "os", value: "linux" },
      { name: "arch", value: "armv7l" },
    ],
    app: { exec: ["/app", "-x"], user: "1", group: "2", isolators: value.app.isolators },
  });
});

test("referenceOf() makes references of names and versions, where they can be", () => {
  expect(referenceOf("example.com/app", "1.0+git")).toBe("example.com/app:1.0_git");
  expect(referenceOf("app", undefined)).toBe("app:latest");
  expect(referenceOf("example.com/a~b", "2")).toBe("example.com/a_b:2");
  expect(referenceOf("example.com/a", "-bad")).toBe(undefined);
});
