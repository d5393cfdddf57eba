import { expect, test } from "bun:test";
import type { Image } from "../../images/image.ts";
import type { Network } from "../../networks/network.ts";
import type { Volume } from "../../volumes/volume.ts";
import { fakeContainer, fakeDeps, fakeSystem } from "../fixtures/fake-deps.ts";
import shapes from "../fixtures/shapes-1.51.json";
import { containerJson } from "./container-json.ts";
import { containerSummary, statusText, summaryText } from "./container-list.ts";
import { diskUsageJson, diskUsageTypes } from "./disk-usage-json.ts";
import { eventLine } from "./event-json.ts";
import { imageJson, imageSummary } from "./image-json.ts";
import { infoJson } from "./info-json.ts";
import { networkJson } from "./network-json.ts";
import { statsJson } from "./stats-json.ts";
import { versionJson } from "./version-json.ts";
import { volumeJson } from "./volume-json.ts";

// shapes-1.51.json: names and kinds of the fields that dockerd 28.5.2 answered with for comparable objects
type Shape = string | Shape[] | { [name: string]: Shape };

/** Where a value differs from a recorded shape: fields missing, fields too many, other kinds. */
function differences(value: unknown, shape: Shape, path = ""): string[] {
  if (shape === "null") return [];
  if (typeof shape === "string") {
    const kind = value === null ? "null" : typeof value;
    return kind === shape ? [] : [`${path}: ${kind}, not ${shape}`];
  }
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return [`${path}: not a list`];
    const [first] = shape;
    return first === undefined || value.length === 0 ? [] : differences(value[0], first, `${path}[]`);
  }
  if (typeof value !== "object" || value === null) return [`${path}: not an object`];
  const object = value as Record<string, unknown>;
  const each = shape["*"];
  if (each !== undefined) return Object.values(object).flatMap((item) => differences(item, each, `${path}.*`));
  const missing = Object.keys(shape)
    .filter((name) => !(name in object))
    .map((name) => `${path}.${name}: missing`);
  const extra = Object.keys(object)
    .filter((name) => !(name in shape))
    .map((name) => `${path}.${name}: extra`);
  return [
    ...missing,
    ...extra,
    ...Object.entries(shape).flatMap(([name, part]) =>
      name in object ? differences(object[name], part, `${path}.${name}`) : [],
    ),
  ];
}

const { deps } = fakeDeps();
const container = fakeContainer();
const image: Image = {
  id: container.imageId,
  references: ["busybox:latest"],
  variantOf: [],
  digests: [],
  chainIds: [],
  sizeBytes: 5,
  taggedAtNs: 0n,
  config: {
    architecture: "amd64",
    os: "linux",
    created: "2026-11-21T04:27:22.438931951Z",
    docker_version: "20",
    rootfs: { type: "layers", diff_ids: ["sha256:0c"] },
  },
};
const volume: Volume = {
  name: "v",
  driver: "local",
  mountpoint: "/x",
  labels: { sample: "1" },
  options: {},
  createdAtNs: 1n,
  anonymous: false,
  scope: "local",
};
const network: Network = {
  id: "b",
  name: "n",
  driver: "bridge",
  createdAtNs: 1n,
  internal: false,
  attachable: false,
  enableIpv4: true,
  enableIpv6: false,
  labels: { sample: "1" },
  options: {},
  ipam: { driver: "default", options: {}, pools: [{ subnet: "172.31.78.0/24", gateway: "172.31.78.1" }] },
};

test("a container's inspect has the fields of dockerd 28", () => {
  const view = { ...containerJson(container, deps), SizeRw: 0, SizeRootFs: 1 };
  expect(differences(view, shapes.containerInspect as Shape)).toEqual([]);
});

test("the lists of containers and images have the fields of dockerd 28", () => {
  expect(
    differences(
      [{ ...containerSummary(container, "busybox", Date.now()), SizeRootFs: 1 }],
      shapes.containerList as Shape,
    ),
  ).toEqual([]);
  expect(differences([imageSummary(image, { containers: 1, sharedBytes: -1 })], shapes.imageList as Shape)).toEqual([]);
});

test("inspect of images, networks and volumes has the fields of dockerd 28", () => {
  expect(differences(imageJson(image, fakeSystem), shapes.imageInspect as Shape)).toEqual([]);
  const [endpoint] = container.state.sandbox?.endpoints ?? [];
  const endpoints = new Map(endpoint ? [[container.id, { ...endpoint, containerName: "web" }]] : []);
  expect(differences(networkJson(network, endpoints), shapes.networkInspect as Shape)).toEqual([]);
  expect(differences(volumeJson(volume), shapes.volumeInspect as Shape)).toEqual([]);
});

test("info, version and df have the fields of dockerd 28", async () => {
  // Containerd, whose addresses dockerd shows, is not here
  expect(differences(infoJson(deps), shapes.info as Shape)).toEqual([".Containerd: missing"]);
  expect(differences(versionJson(fakeSystem), shapes.version as Shape)).toEqual([]);
  deps.containers.size = async () => ({ writableBytes: 1, rootfsBytes: 2 });
  const usage = await diskUsageJson(
    {
      ...deps,
      images: {
        ...deps.images,
        list: () => [image],
        resolve: () => image,
        diskBytes: async () => 5,
        uniqueBytes: () => new Map(),
      },
    },
    new Set(diskUsageTypes),
  );
  expect(
    differences(usage, shapes.df as Shape).filter((difference) => difference !== ".Containers[].SizeRw: extra"),
  ).toEqual([]);
});

test("stats and events have the fields of dockerd 28", () => {
  const counters = {
    rxBytes: 0,
    rxPackets: 0,
    rxErrors: 0,
    rxDropped: 0,
    txBytes: 0,
    txPackets: 0,
    txErrors: 0,
    txDropped: 0,
  };
  const sample = {
    readAtNs: 1n,
    cgroupVersion: 1 as const,
    cpu: {
      totalNs: 1,
      kernelNs: 0,
      userNs: 1,
      perCpuNs: [1, 0],
      systemNs: 10,
      onlineCpus: 2,
      periods: 0,
      throttledPeriods: 0,
      throttledNs: 0,
    },
    memory: { usage: 5, maxUsage: 6, limit: 7, failures: 0, stats: { cache: 1 } },
    blkio: { serviceBytes: [], serviced: [] },
    pids: { current: 1, limit: 0 },
    networks: { eth0: counters },
  };
  // the sample was taken by the un-versioned one-shot, where dockerd 28 leaves name and id out
  expect(differences(statsJson(container, sample, undefined, 100), shapes.stats as Shape)).toEqual([
    ".name: extra",
    ".id: extra",
  ]);
  const line = eventLine({
    type: "container",
    action: "start",
    id: "1",
    attributes: { image: "busybox", name: "x" },
    caller: { via: "engine" },
    sequence: 1,
    timeNs: 5n,
  });
  expect(differences(JSON.parse(line), shapes.event as Shape)).toEqual([".Caller: extra"]);
});

test("summaryText() is the summary's JSON, also when it is asked again later", () => {
  const now = 1_795_236_673_245 + 5_000;
  const one = fakeContainer();
  for (const [name, at] of [
    ["busybox", now],
    ["busybox", now + 60_000],
    ["sha256:1", now],
  ] as const) {
    expect(JSON.parse(summaryText(one, name, at))).toEqual(JSON.parse(JSON.stringify(containerSummary(one, name, at))));
  }
});

test("the status of a container reads as docker ps shows it", () => {
  const now = 1_795_236_673_245 + 5_000;
  const text = (
    state: Parameters<typeof fakeContainer>[0] extends (infer T) | undefined
      ? T extends { state?: infer S }
        ? S
        : never
      : never,
  ): string => statusText(fakeContainer({ state: state ?? {} }), now);
  const finishedAtNs = 1_795_236_673_245_000_000n - 3n * 3600n * 1_000_000_000n;
  expect(text({ health: null })).toBe("Up 5 seconds");
  expect(text({})).toBe("Up 5 seconds (healthy)");
  expect(text({ health: { status: "starting", failingStreak: 0, log: [] } })).toBe("Up 5 seconds (health: starting)");
  expect(text({ status: "paused" })).toBe("Up 5 seconds (Paused)");
  expect(text({ status: "exited", exitCode: 3, finishedAtNs })).toBe("Exited (3) 3 hours ago");
  expect(text({ status: "restarting", exitCode: 1, finishedAtNs: 1_795_236_673_245_000_000n })).toBe(
    "Restarting (1) 5 seconds ago",
  );
  expect(text({ status: "created" })).toBe("Created");
  expect(text({ status: "removing" })).toBe("Removal In Progress");
  expect(text({ status: "dead" })).toBe("Dead");
});
