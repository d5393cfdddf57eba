import { afterAll, beforeAll, expect, test } from "bun:test";
import { mediaTypes } from "../../src/spec/oci/descriptor.ts";
import { tarOf } from "../../src/snapshots/apply/tar-fixture.ts";
import { TestRegistry } from "../../src/images/travel/registry-fixture.ts";
import { eventsOf, importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";

// What the store of images shows by the stock docker CLI and by our own operations.

let daemon: TestDaemon;
let registry: TestRegistry;
beforeAll(async () => {
  registry = new TestRegistry();
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
}, 60_000);

const name = (tag: string): string => `${registry.host}/a:${tag}`;
const tar = (text: string, bytes = 3): Buffer => tarOf({ name: `etc/${text}`, content: Buffer.alloc(bytes, text) });
const json = async (path: string): Promise<unknown> => (await daemon.request("GET", path)).json();
const make = (architecture: string) => ({
  ...registry.image(`a:${architecture}`, [tar("base", 2000), tar(architecture, 500)], { config: { architecture } }),
  platform: { os: "linux", architecture },
});

test("platforms of one tag: pull, tree, inspect, history, run's refusal, removal of one and of all", async () => {
  const [amd, arm] = [make("amd64"), make("arm64")];
  registry.index("a:1", [amd, arm], mediaTypes.ociIndex);
  for (const platform of ["linux/arm64", "linux/amd64"])
    await daemon.ok("pull", "-q", "--platform", platform, name("1"));
  const listed = (await json("/v1.51/images/json?manifests=1&shared-size=1")) as Record<string, unknown>[];
  const [entry, ...others] = listed.filter(({ RepoTags }) => (RepoTags as string[]).includes(name("1")));
  expect(others).toEqual([]);
  expect(listed.map(({ Id }) => Id)).not.toContain(arm.id);
  expect(entry).toMatchObject({ Id: amd.id, SharedSize: 2000, Size: 2500 });
  expect(
    ((entry?.["Manifests"] ?? []) as Record<string, unknown>[]).map(({ ID, Available, Kind }) => [ID, Available, Kind]),
  ).toEqual([
    [amd.digest, true, "image"],
    [arm.digest, true, "image"],
  ]);
  const tree = await daemon.ok("images", "--tree", name("1"));
  expect(tree).toContain("linux/arm64");
  const arch = (...flags: string[]): Promise<string> =>
    daemon.ok("image", "inspect", "-f", "{{.Architecture}}", ...flags, name("1"));
  expect([await arch(), await arch("--platform", "linux/arm64")]).toEqual(["amd64", "arm64"]);
  expect((await daemon.docker(["image", "inspect", "--platform", "linux/s390x", name("1")])).stderr).toContain(
    "does not match the specified platform",
  );
  expect(await daemon.ok("images", "-q", "-f", "dangling=true")).toBe("");
  const filters = encodeURIComponent(JSON.stringify({ dangling: ["true"] }));
  expect(await json(`/berth/prune/image?filters=${filters}`)).toEqual({ Type: "image", Items: [], SpaceReclaimed: 0 });

  const removed = await daemon.request(
    "DELETE",
    `/v1.51/images/${name("1")}?platforms=${encodeURIComponent('{"os":"linux","architecture":"arm64"}')}`,
  );
  expect(await removed.json()).toContainEqual({ Deleted: arm.id });
  expect(await arch()).toBe("amd64");
  await daemon.ok("pull", "-q", "--platform", "linux/arm64", name("1"));
  await daemon.ok("rmi", name("1"));
  for (const id of [amd.id, arm.id]) expect((await daemon.request("GET", `/images/${id}/json`)).status).toBe(404);
});

test("a look before each prune tells what the prune then removes, and the prunes tell their events", async () => {
  registry.image("a:2", [tar("two", 700)]);
  await daemon.ok("pull", "-q", name("2"));
  await daemon.ok("run", "--name", "stopped", "busybox", "sh", "-c", "echo x > /file");
  await daemon.ok("network", "create", "unused");
  await daemon.ok("volume", "create", "--label", "a=b", "loose");
  const all = (filters: object): string => `?filters=${encodeURIComponent(JSON.stringify(filters))}`;
  const names = async (type: string, filters: object): Promise<unknown> =>
    ((await json(`/berth/prune/${type}${all(filters)}`)) as { Items: { Names: string[] }[] }).Items.map(
      ({ Names }) => Names,
    );
  expect(await names("container", {})).toEqual([["stopped"]]);
  expect(await names("network", {})).toEqual([["unused"]]);
  expect(await names("volume", { all: ["true"], label: ["a=b"] })).toEqual([["loose"]]);
  expect(await names("volume", {})).toEqual([]);
  // busybox is a stopped container's
  expect(await names("image", { dangling: ["false"] })).toEqual([[name("2")]]);
  expect((await daemon.request("GET", "/berth/prune/nothing")).status).toBe(400);
  expect(await daemon.ok("ps", "-aq")).not.toBe("");

  const space = ((await json(`/berth/prune/image${all({ dangling: ["false"] })}`)) as { SpaceReclaimed: number })
    .SpaceReclaimed;
  const pruned = (await (await daemon.request("POST", `/images/prune${all({ dangling: ["false"] })}`)).json()) as {
    SpaceReclaimed: number;
  };
  expect(pruned.SpaceReclaimed).toBe(space);
  expect(await eventsOf(daemon, "type=image", "event=prune")).toEqual(["prune"]);
  await daemon.ok("rm", "stopped");
  await daemon.ok("network", "rm", "unused");
  await daemon.ok("volume", "rm", "loose");
});

test("containers made while their image goes either work or were never made", async () => {
  await daemon.ok("tag", "busybox", "race");
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, async (_, index) => {
      if (index % 3 === 1) {
        await daemon.docker(["rmi", "-f", "race"]);
        await daemon.docker(["tag", "busybox", "race"]);
        return "";
      }
      if (index % 3 === 2) {
        await daemon.docker(["image", "prune", "-f"]);
        return "";
      }
      const { status, stdout, stderr } = await daemon.docker([
        "run",
        "--rm",
        "--network",
        "none",
        "--pull",
        "never",
        "race",
        "echo",
        "worked",
      ]);
      return status === 0 ? stdout.trim() : stderr.includes("No such image") ? "worked" : stderr;
    }),
  );
  expect(outcomes.filter((outcome) => outcome !== "" && outcome !== "worked")).toEqual([]);
  const report = (await json("/berth/system/check")) as { Findings: unknown[] };
  expect(report.Findings).toEqual([]);
});

test("a repair brings back what was damaged, while containers of other images run", async () => {
  registry.image("a:3", [tar("three", 5000)]);
  await daemon.ok("pull", "-q", name("3"));
  await daemon.ok("run", "-d", "--name", "beside", "--network", "none", "busybox", "sleep", "300");
  const [blob = ""] = (await Array.fromAsync(new Bun.Glob("*").scan(`${daemon.dataRoot}/content/sha256`))) as string[];
  await Bun.write(`${daemon.dataRoot}/content/sha256/${blob}`, "cut");
  await daemon.stop();
  await daemon.start();
  expect(await json("/berth/system/check?quick=1")).toMatchObject({
    Findings: [{ Kind: "blob", ID: `sha256:${blob}`, Images: [name("3")], Repaired: "" }],
  });
  const repaired = (await (await daemon.request("POST", "/berth/system/check")).json()) as object;
  expect(repaired).toMatchObject({ Findings: [{ Repaired: "fetched again" }] });
  expect(await json("/berth/system/check")).toMatchObject({ Findings: [] });
  expect(await daemon.ok("inspect", "-f", "{{.State.Running}}", "beside")).toBe("true");
  await daemon.ok("rm", "-f", "beside");
});

test("a container of another platform of the tag is made from that platform's image", async () => {
  const [amd, arm] = [make("amd64"), make("arm64")];
  registry.index("a:4", [amd, arm], mediaTypes.ociIndex);
  for (const platform of ["linux/arm64", "linux/amd64"])
    await daemon.ok("pull", "-q", "--platform", platform, name("4"));
  const image = (id: string): Promise<string> => daemon.ok("inspect", "-f", "{{.Image}}", id);
  const plain = await daemon.ok("create", name("4"), "sh");
  const other = await daemon.ok("create", "--platform", "linux/arm64", name("4"), "sh");
  expect([await image(plain), await image(other)]).toEqual([amd.id, arm.id]);
  const refused = await daemon.docker(["create", "--pull", "never", "--platform", "linux/s390x", name("4"), "sh"]);
  expect(refused.stderr).toContain("its platform (linux/amd64) does not match the specified platform (linux/s390x)");
  await daemon.ok("rm", plain, other);
});

test("where water marks are set, the longest unused images go by themselves, and never a container's", async () => {
  await using own = await startDaemon({
    args: ["--image-gc", "high=5m", "--image-gc", "low=4m", "--image-gc", "age=0s"],
  });
  const file = `${own.folder}/rootfs.tar`;
  const bring = async (tag: string): Promise<void> => {
    await Bun.write(file, tarOf({ name: tag, content: Buffer.alloc(2_000_000, tag) }));
    await own.ok("import", file, `gc:${tag}`);
  };
  await bring("a");
  await own.ok("create", "gc:a", "true");
  await bring("b");
  await bring("c");
  await until(
    "the oldest image that no container has is gone",
    async () => (await own.ok("images", "--format", "{{.Tag}}")).split("\n").sort().join() === "a,c",
  );
});
