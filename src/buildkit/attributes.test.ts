import { expect, test } from "bun:test";
import { errorMessage } from "../base/errors.ts";
import { readAttributes } from "./attributes.ts";

test("attributes as buildx sends them become a request", () => {
  const request = readAttributes({
    filename: "sub/Dockerfile",
    target: "app",
    platform: "linux/amd64",
    "build-arg:A": "1",
    "build-arg:EMPTY": "",
    "label:k": "v=w",
    "add-hosts": "one=10.0.0.1,two=::1",
    "force-network-mode": "none",
    "shm-size": "67108864",
    ulimit: "nofile=1024:2048,nproc=5",
    memory: "104857600",
    "cgroup-parent": "/x",
    hostname: "h",
    "image-resolve-mode": "pull",
    "context:Base::linux/amd64": "docker-image://busybox:latest",
    "context:files": "local:files",
    "context:far": "https://example.com/r.git",
  });
  expect(request).toMatchObject({
    fileName: "sub/Dockerfile",
    target: "app",
    labels: { k: "v=w" },
    network: "none",
    extraHosts: ["one:10.0.0.1", "two:::1"],
    hostname: "h",
    pull: true,
    noCache: [],
    remoteContext: "",
    limits: {
      memoryBytes: 104857600,
      shmSizeBytes: 67108864,
      cgroupParent: "/x",
      ulimits: [
        { name: "nofile", soft: 1024, hard: 2048 },
        { name: "nproc", soft: 5, hard: 5 },
      ],
    },
  });
  expect([...request.buildArgs]).toEqual([
    ["A", "1"],
    ["EMPTY", ""],
  ]);
  expect([...request.namedContexts]).toEqual([
    ["base", { kind: "image", reference: "busybox:latest" }],
    ["files", { kind: "files" }],
    ["far", { kind: "files" }],
  ]);
  expect([...request.fileContexts]).toEqual([
    ["files", { kind: "local", place: "files" }],
    ["far", { kind: "remote", place: "https://example.com/r.git" }],
  ]);
});

test("no-cache is for all steps or for the stages that are named", () => {
  expect(readAttributes({ "no-cache": "" }).noCache).toBe("all");
  expect(readAttributes({ "no-cache": "one,two" }).noCache).toEqual(["one", "two"]);
  expect(readAttributes({ contextkey: "ctx", ctx: "http://buildkit-session/abc" })).toMatchObject({
    contextFolder: "ctx",
    remoteContext: "http://buildkit-session/abc",
  });
});

test("what cannot be done is refused by name", () => {
  const refusal = (attributes: Record<string, string>): string => {
    try {
      readAttributes(attributes);
      return "";
    } catch (error) {
      return errorMessage(error);
    }
  };
  expect(refusal({ platform: "linux/amd64,linux/arm64" })).toContain("one platform at a time");
  expect(refusal({ "force-network-mode": "moon" })).toContain('"moon"');
  expect(refusal({ ulimit: "nofile" })).toContain('"nofile"');
  expect(refusal({ memory: "lots" })).toContain("memory");
  expect(refusal({ "context:x": "input:abc" })).toContain("unsupported context source input for x");
});
