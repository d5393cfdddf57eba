import { expect, test } from "bun:test";
import { fakeContainer, fakeDeps } from "./fixtures/fake-deps.ts";
import { lift, lower } from "./compat.ts";
import { containerJson } from "./views/container-json.ts";

type Json = Record<string, Record<string, unknown>>;

test("creates of old versions keep the defaults of their time", () => {
  expect(lift("ContainerCreate", 39, { Image: "x" })).toEqual({
    Image: "x",
    HostConfig: { IpcMode: "shareable", CgroupnsMode: "host" },
  });
  expect(lift("ContainerCreate", 39, { HostConfig: { IpcMode: "private" } })).toMatchObject({
    HostConfig: { IpcMode: "private" },
  });
  const mounts = {
    HostConfig: { Mounts: [{ Type: "volume", BindOptions: {}, VolumeOptions: {} }], ConsoleSize: [1, 2] },
  };
  expect(lift("ContainerCreate", 41, structuredClone(mounts))).toEqual({
    HostConfig: { Mounts: [{ Type: "volume", VolumeOptions: {} }] },
  });
  expect(lift("ContainerCreate", 51, structuredClone(mounts))).toEqual(mounts);
});

test("below 1.44 one network at most can be given at create", () => {
  const two = { NetworkingConfig: { EndpointsConfig: { b: {}, a: {} } } };
  expect(() => lift("ContainerCreate", 43, two)).toThrow(
    "Container cannot be created with multiple network endpoints: a, b",
  );
  expect(lift("ContainerCreate", 44, two)).toEqual(two);
});

test("a container-wide MAC address goes to its first network", () => {
  const lifted = lift("ContainerCreate", 43, { MacAddress: "02:42:ac:11:00:09", HostConfig: { NetworkMode: "net" } });
  expect(lifted).toMatchObject({ NetworkingConfig: { EndpointsConfig: { net: { MacAddress: "02:42:ac:11:00:09" } } } });
  expect(() =>
    lift("ContainerCreate", 43, { MacAddress: "02:42:ac:11:00:09", HostConfig: { NetworkMode: "host" } }),
  ).toThrow("conflicting options: mac-address and the network mode");
});

test("inspect of old versions has what they had and lacks what came later", () => {
  const { deps } = fakeDeps();
  const inspect = (minor: number): Json =>
    lower("ContainerInspect", minor, containerJson(fakeContainer(), deps)) as Json;
  const endpoint = (minor: number): Record<string, unknown> =>
    (inspect(minor)["NetworkSettings"] as Record<string, Json>)["Networks"]?.["apisample-net"] ?? {};
  expect(Object.keys(endpoint(51))).toContain("DNSNames");
  expect(Object.keys(endpoint(43))).not.toContain("DNSNames");
  expect(Object.keys(endpoint(47))).not.toContain("GwPriority");
  expect(endpoint(51)["Aliases"]).toEqual(["web"]);
  expect(endpoint(44)["Aliases"]).toEqual(["web", expect.stringMatching(/^[0-9a-f]{12}$/)]);
});

test("images of old versions: <none> names, VirtualSize, no count of containers", () => {
  const image = { Id: "sha256:1", RepoTags: [], RepoDigests: [], Size: 5, Containers: 2 };
  expect(lower("ImageList", 51, [{ ...image }])).toEqual([image]);
  expect(lower("ImageList", 42, [{ ...image }])).toEqual([
    { ...image, RepoTags: ["<none>:<none>"], RepoDigests: ["<none>@<none>"], VirtualSize: 5, Containers: -1 },
  ]);
  expect(lower("ImageInspect", 43, { Size: 5, Config: {} })).toMatchObject({
    VirtualSize: 5,
    Container: "",
    ContainerConfig: null,
    Config: { Hostname: "", Image: "" },
  });
});
