import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { client, clientNames } from "../harness/clients.ts";
import { eventsOf, importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run } from "../harness/run.ts";

let daemon: TestDaemon;
let folder: string;
let tar: string;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  folder = await mkdtemp("/tmp/berth-i-");
  tar = join(folder, "rootfs.tar");
  await daemon.ok("create", "--name", "source", "busybox", "true");
  await daemon.ok("export", "-o", tar, "source");
  await daemon.ok("rm", "source");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** The peer: a dockerd of the same machine, whose archives must load here and ours there. */
const peer = process.env["BERTH_PEER"] ?? "unix:///tmp/peer/docker.sock";
const hasPeer =
  (await run(["docker", "-H", peer, "version", "-f", "{{.Server.Version}}"], { timeoutMs: 3000 })).status === 0;

describe.each(clientNames)("%s", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);
  const lines = async (...args: string[]): Promise<string[]> => {
    const { status, stdout, stderr } = await cli(args);
    if (status !== 0) throw new Error(stderr);
    return stdout.split("\n").filter(Boolean);
  };
  const n = (tag: string): string => `${name}-im:${tag}`;

  test("import makes an image, with a message, changes, and from standard input in every compression", async () => {
    const [id] = await lines(
      "import",
      "-m",
      "a message",
      "-c",
      'CMD ["echo","by default"]',
      "-c",
      "ENV A=b",
      "-c",
      "LABEL x=y",
      "-c",
      "EXPOSE 80",
      tar,
      n("made"),
    );
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(JSON.parse(await daemon.ok("image", "inspect", "-f", "{{json .Config}}", n("made")))).toMatchObject({
      Cmd: ["echo", "by default"],
      Env: ["A=b"],
      Labels: { x: "y" },
      ExposedPorts: { "80/tcp": {} },
    });
    expect((await cli(["run", "--rm", n("made")])).stdout).toBe("by default\n");
    expect((await lines("history", "--format", "{{.Comment}}", n("made")))[0]).toBe("a message");
    for (const [program, tag] of [
      ["cat", "plain"],
      ["gzip", "gz"],
      ["bzip2", "bz2"],
      ["xz", "xz"],
      ["zstd", "zst"],
    ] as const) {
      if (Bun.which(program) === null) continue;
      const stdin = await Bun.$`${program} < ${tar}`.quiet().then(({ stdout }) => new Uint8Array(stdout));
      const imported = await cli(["import", "-", n(tag)], { stdin });
      expect({ tag, status: imported.status }).toEqual({ tag, status: 0 });
      expect((await cli(["run", "--rm", n(tag), "echo", "works"])).stdout).toBe("works\n");
      await cli(["rmi", n(tag)]);
    }
    expect((await cli(["import", "/nosuch", "x"])).stderr).toContain("no such file or directory");
    expect((await cli(["import", "-", "x:y"], { stdin: "garbage".repeat(1000) })).status).not.toBe(0);
    expect((await cli(["import", "-c", "BOGUS x", tar, "x:y"])).stderr.toLowerCase()).toContain("bogus");
    await cli(["rmi", n("made")]);
  });

  test("an image without a command is refused with Docker's words", async () => {
    await cli(["import", tar, n("bare")]);
    const result = await cli(["run", "--rm", n("bare")]);
    expect(result.status).toBe(125);
    expect(result.stderr).toContain("no command specified");
    await cli(["rmi", n("bare")]);
  });

  test("tag, images, their filters and formats", async () => {
    await cli(["import", "-c", "LABEL role=one", tar, n("one")]);
    await cli(["import", "-c", "LABEL role=two", tar, n("two")]);
    expect((await cli(["tag", n("one"), "registry.example:5000/a/b:v1"])).status).toBe(0);
    const shown = "{{.Repository}}:{{.Tag}}";
    expect(await lines("images", "-f", `reference=${name}-im`, "--format", shown)).toEqual([n("two"), n("one")]);
    expect(await lines("images", `${name}-im:t*`, "--format", shown)).toEqual([n("two")]);
    expect((await lines("images", "-f", "label=role=one", "--format", shown)).sort()).toEqual(
      [n("one"), "registry.example:5000/a/b:v1"].sort(),
    );
    expect(await lines("images", "-f", `since=${n("one")}`, "--format", shown)).toEqual([n("two")]);
    expect(await lines("images", "-f", `before=${n("two")}`, "-f", `reference=${name}-*:*`, "--format", shown)).toEqual(
      [n("one")],
    );
    expect(await lines("images", "-q", "--no-trunc", n("one"))).toEqual([
      await daemon.ok("image", "inspect", "-f", "{{.Id}}", n("one")),
    ]);
    expect((await lines("images"))[0]).toMatch(/^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE$/);
    expect((await lines("images", "--digests"))[0]).toMatch(/^REPOSITORY +TAG +DIGEST +IMAGE ID +CREATED +SIZE$/);
    expect(JSON.parse((await lines("images", n("one"), "--format", "json"))[0] ?? "")).toMatchObject({
      Repository: `${name}-im`,
      Tag: "one",
      Digest: "<none>",
    });
    expect((await lines("images", "--format", "table {{.Tag}}|{{.Size}}", n("one")))[1]).toMatch(/^one\|\d.*MB$/);
    expect((await cli(["images", "-f", "bogus=1"])).stderr).toContain("invalid filter 'bogus'");
    expect((await cli(["tag", n("one"), "BAD"])).stderr).toContain("repository name (library/BAD) must be lowercase");
    expect((await cli(["tag", "nosuch", "x"])).stderr).toContain("No such image: nosuch:latest");
    await cli(["rmi", n("one"), n("two"), "registry.example:5000/a/b:v1"]);
  });

  test("a moved tag leaves a dangling image, which prune takes", async () => {
    await cli(["import", "-c", "LABEL v=1", tar, n("moved")]);
    const id = await daemon.ok("image", "inspect", "-f", "{{.Id}}", n("moved"));
    await cli(["import", "-c", "LABEL v=2", tar, n("moved")]);
    expect(await lines("images", "-qf", "dangling=true", "--no-trunc")).toEqual([id]);
    expect((await lines("images", "-a", "-f", "dangling=true", "--format", "{{.Repository}} {{.Tag}}"))[0]).toBe(
      "<none> <none>",
    );
    const pruned = await cli(["image", "prune", "-f"]);
    expect(pruned.stdout).toContain(`deleted: ${id}`);
    expect(pruned.stdout).toMatch(/Total reclaimed space: /);
    expect(await lines("images", "-qf", "dangling=true")).toEqual([]);
    expect((await cli(["image", "prune", "-af", "--filter", "until=24h"])).stdout).toContain(
      "Total reclaimed space: 0B",
    );
    expect((await cli(["image", "prune", "-af", "--filter", "label=v=2"])).stdout).toContain(`untagged: ${n("moved")}`);
  });

  test("inspect and history tell what Docker tells", async () => {
    await cli(["import", "-m", "said", "-c", "USER 33", tar, n("told")]);
    const [image] = JSON.parse((await cli(["image", "inspect", n("told")])).stdout) as [Record<string, unknown>];
    expect(Object.keys(image).sort()).toEqual([
      "Architecture",
      "Author",
      "Comment",
      "Config",
      "Created",
      "DockerVersion",
      "GraphDriver",
      "Id",
      "Metadata",
      "Os",
      "Parent",
      "RepoDigests",
      "RepoTags",
      "RootFS",
      "Size",
    ]);
    expect(image).toMatchObject({
      RepoTags: [n("told")],
      RepoDigests: [],
      Comment: "said",
      Os: "linux",
      RootFS: { Type: "layers", Layers: [expect.stringMatching(/^sha256:/)] },
    });
    const history = await lines("history", n("told"));
    expect(history[0]).toMatch(/^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$/);
    expect(history).toHaveLength(2);
    expect((await lines("history", "-q", "--no-trunc", n("told")))[0]).toBe(String(image["Id"]));
    expect((await cli(["image", "inspect", "nosuch"])).stdout).toBe("[]\n");
    expect((await cli(["history", "nosuch"])).stderr).toContain("No such image: nosuch:latest");
    await cli(["rmi", n("told")]);
  });

  test("rmi untags, refuses what is in use, forces, and goes on after one that is not there", async () => {
    await cli(["import", "-c", "LABEL only=rmi", tar, n("used")]);
    await cli(["tag", n("used"), n("again")]);
    const id = await daemon.ok("image", "inspect", "-f", "{{.Id}}", n("used"));
    expect((await cli(["rmi", n("again")])).stdout).toBe(`Untagged: ${n("again")}\n`);
    const c = (await lines("create", "--name", `${name}-user`, n("used"), "true"))[0] ?? "";
    const refused = await cli(["rmi", n("used")]);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(
      `conflict: unable to remove repository reference "${n("used")}" (must force) - container ${c.slice(0, 12)} is using its referenced image ${id.slice(7, 19)}`,
    );
    const several = await cli(["rmi", "nosuch", n("used")]);
    expect(several.stderr).toContain("No such image: nosuch:latest");
    await cli(["tag", n("used"), n("second")]);
    expect((await cli(["rmi", id.slice(7, 19)])).stderr).toMatch(
      /must be forced.*image is referenced in multiple repositories|image is being used by stopped container/,
    );
    await cli(["rm", `${name}-user`]);
    const forced = await cli(["rmi", "-f", id.slice(7, 19)]);
    expect(forced.stdout).toContain(`Untagged: ${n("second")}`);
    expect(forced.stdout).toContain(`Deleted: ${id}`);
    expect((await cli(["rmi", n("used")])).status).toBe(1);
    expect((await cli(["rmi", "-f", "nosuch"])).status).toBe(0);
  });

  test("commit keeps the files, takes changes, and its history has both", async () => {
    const c = `${name}-changed`;
    await cli(["run", "--name", c, "-e", "KEPT=1", "busybox", "sh", "-c", "echo new > /made; rm /etc/passwd"]);
    expect((await lines("diff", c)).sort()).toEqual(["A /made", "C /etc", "D /etc/passwd"]);
    const [id] = await lines(
      "commit",
      "-m",
      "why",
      "-a",
      "who",
      "-c",
      'CMD ["cat","/made"]',
      "-c",
      "WORKDIR /tmp",
      c,
      n("committed"),
    );
    expect(id).toMatch(/^sha256:/);
    expect((await cli(["run", "--rm", n("committed")])).stdout).toBe("new\n");
    expect((await cli(["run", "--rm", n("committed"), "sh", "-c", "ls /etc/passwd; pwd; echo $KEPT"])).stdout).toBe(
      "/tmp\n1\n",
    );
    expect(
      await daemon.ok("image", "inspect", "-f", "{{.Author}} {{.Comment}} {{len .RootFS.Layers}}", n("committed")),
    ).toBe("who why 2");
    const history = await lines("history", "--format", "{{.Comment}}", n("committed"));
    expect(history[0]).toBe("why");
    expect((await cli(["rmi", "busybox"])).stderr).toContain("must");
    await cli(["rm", c]);
    expect((await cli(["commit", "nosuch", "x"])).stderr).toContain("No such container: nosuch");
    await cli(["rmi", n("committed")]);
  });

  test("save and load give the same image, and another engine's names", async () => {
    await cli(["import", "-c", 'CMD ["echo","loaded"]', tar, n("saved")]);
    await cli(["tag", n("saved"), n("other")]);
    const id = await daemon.ok("image", "inspect", "-f", "{{.Id}}", n("saved"));
    const file = join(folder, `${name}-saved.tar`);
    expect((await cli(["save", "-o", file, n("saved"), n("other")])).status).toBe(0);
    const names = (await run(["tar", "-tf", file])).stdout.split("\n");
    expect(names).toEqual(expect.arrayContaining(["index.json", "oci-layout", "manifest.json"]));
    await cli(["rmi", n("saved"), n("other")]);
    expect((await cli(["load", "-i", file])).stdout.split("\n").sort().slice(1)).toEqual([
      `Loaded image: ${n("other")}`,
      `Loaded image: ${n("saved")}`,
    ]);
    expect(await daemon.ok("image", "inspect", "-f", "{{.Id}}", n("saved"))).toBe(id);
    expect((await cli(["run", "--rm", n("saved")])).stdout).toBe("loaded\n");
    expect((await cli(["load", "-q"], { stdin: await readFile(file) })).stdout).toContain(
      `Loaded image: ${n("saved")}`,
    );
    for (const program of ["gzip", "xz", "zstd"].filter((one) => Bun.which(one) !== null)) {
      const packed = await Bun.$`${program} < ${file}`.quiet().then(({ stdout }) => new Uint8Array(stdout));
      expect({ program, ...(await cli(["load", "-q"], { stdin: packed })) }).toMatchObject({ program, status: 0 });
    }
    await cli(["rmi", n("saved"), n("other")]);
    const byId = join(folder, `${name}-id.tar`);
    await cli(["import", "-c", "LABEL id=only", tar, n("id")]);
    const only = await daemon.ok("image", "inspect", "-f", "{{.Id}}", n("id"));
    await cli(["save", "-o", byId, only]);
    await cli(["rmi", n("id")]);
    expect((await cli(["load", "-i", byId])).stdout).toContain(`Loaded image ID: ${only}`);
    await cli(["rmi", only]);
    expect((await cli(["save", "nosuch"])).stderr).toContain("No such image: nosuch");
    expect((await cli(["load", "-i", "/nosuch"])).stderr).toContain("no such file or directory");
    expect((await cli(["load"], { stdin: "garbage".repeat(1000) })).status).toBe(1);
    expect(await daemon.ok("images", "-qf", "dangling=true")).toBe("");
  });

  test("an OCI layout loads", async () => {
    const layout = join(folder, `${name}-oci`);
    await mkdir(join(layout, "blobs/sha256"), { recursive: true });
    const blob = async (bytes: Uint8Array): Promise<{ digest: string; size: number }> => {
      const hex = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
      await writeFile(join(layout, "blobs/sha256", hex), bytes);
      return { digest: `sha256:${hex}`, size: bytes.length };
    };
    const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
    const layer = new Uint8Array(await readFile(tar));
    const diffId = `sha256:${new Bun.CryptoHasher("sha256").update(layer).digest("hex")}`;
    const config = await blob(
      json({
        architecture: process.arch === "arm64" ? "arm64" : "amd64",
        os: "linux",
        config: { Cmd: ["echo", "from a layout"] },
        rootfs: { type: "layers", diff_ids: [diffId] },
        history: [{ created_by: "test" }],
      }),
    );
    const packed = await blob(Bun.gzipSync(layer));
    const manifest = await blob(
      json({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
        layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", ...packed }],
      }),
    );
    await writeFile(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(
      join(layout, "index.json"),
      json({
        schemaVersion: 2,
        manifests: [
          {
            mediaType: "application/vnd.oci.image.manifest.v1+json",
            ...manifest,
            annotations: {
              "io.containerd.image.name": `docker.io/library/${n("oci")}`,
              "org.opencontainers.image.ref.name": "oci",
            },
          },
        ],
      }),
    );
    await Bun.$`tar -C ${layout} -cf ${layout}.tar .`.quiet();
    const loaded = await cli(["load", "-i", `${layout}.tar`]);
    expect(loaded.stdout).toContain(`Loaded image: ${n("oci")}`);
    expect((await cli(["run", "--rm", n("oci")])).stdout).toBe("from a layout\n");
    expect(await daemon.ok("image", "inspect", "-f", "{{.Id}}", n("oci"))).toBe(config.digest);
    await cli(["rmi", n("oci")]);
  });

  test.skipIf(!hasPeer)(
    `archives go to and come from dockerd${hasPeer ? "" : ` (no dockerd answers at ${peer})`}`,
    async () => {
      const docker = (...args: string[]) => run(["docker", "-H", peer, ...args]);
      const tag = `berth-peer-${name}:${process.pid}`;
      await cli(["import", "-c", 'CMD ["echo","exchanged"]', tar, tag]);
      const file = join(folder, `${name}-peer.tar`);
      await cli(["save", "-o", file, tag]);
      await cli(["rmi", tag]);
      const there = await docker("load", "-i", file);
      expect(there.stdout).toContain(`Loaded image: ${tag}`);
      expect((await docker("run", "--rm", "--network", "none", tag)).stdout).toBe("exchanged\n");
      await docker("save", "-o", file, tag);
      await docker("rmi", tag);
      expect((await cli(["load", "-i", file])).stdout).toContain(`Loaded image: ${tag}`);
      expect((await cli(["run", "--rm", tag])).stdout).toBe("exchanged\n");
      await cli(["rmi", tag]);
    },
  );
});

test("events of images are Docker's, in its order", async () => {
  const id = await daemon.ok("import", tar, "eventful:1");
  await daemon.ok("tag", "eventful:1", "eventful:2");
  await daemon.ok("rmi", "eventful:1", "eventful:2");
  expect((await eventsOf(daemon, "type=image", `image=${id}`)).filter((action) => action !== "create")).toEqual([
    "tag",
    "import",
    "tag",
    "untag",
    "untag",
    "delete",
  ]);
  expect(await eventsOf(daemon, "type=image", "image=eventful")).toEqual(["tag", "tag"]);
});
