import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { startDockerRegistry, type TestRegistry } from "../harness/docker-registry.ts";
import { type ImageTools, imageTools, missingTools } from "../harness/image-tools.ts";
import { run } from "../harness/run.ts";

let daemon: TestDaemon;
/** An engine without images, to load into. */
let fresh: TestDaemon;
let registry: TestRegistry;
let tools: ImageTools;
beforeAll(async () => {
  [daemon, fresh, registry, tools] = await Promise.all([
    startDaemon(),
    startDaemon(),
    startDockerRegistry(),
    imageTools(),
  ]);
  await importBusybox(daemon);
  // an image that never travelled, one that was pushed, and an index of two platforms that was pulled
  await daemon.ok("run", "--name", "maker", "busybox", "sh", "-c", "echo made > /made");
  await daemon.ok("commit", "-c", 'CMD ["cat","/made"]', "maker", "local/made:1");
  await daemon.ok("tag", "local/made:1", `${registry.host}/made:amd64`);
  await daemon.ok("push", "-q", `${registry.host}/made:amd64`);
  await daemon.ok("export", "-o", join(tools.folder, "rootfs.tar"), "maker");
  await daemon.ok("rm", "maker");
  const arm = `${registry.host}/made:arm64`;
  await daemon.ok("import", "--platform", "linux/arm64", join(tools.folder, "rootfs.tar"), arm);
  await daemon.ok("push", "-q", arm);
  const list = `${registry.host}/made:both`;
  await berth("manifest", "create", list, `${registry.host}/made:amd64`, arm);
  await berth("manifest", "push", list);
  await daemon.ok("rmi", arm);
  for (const platform of ["linux/arm64", "linux/amd64"]) await daemon.ok("pull", "-q", "--platform", platform, list);
}, 60_000);
afterAll(async () => {
  for (const one of [daemon, fresh, registry, tools]) await one[Symbol.asyncDispose]();
}, 60_000);

async function berth(...args: string[]): Promise<string> {
  const result = await daemon.berth(args, { env: { DOCKER_CONFIG: join(tools.folder, "config") } });
  if (result.status !== 0) throw new Error(`berth ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}
const id = (from: TestDaemon, name: string): Promise<string> => from.ok("image", "inspect", "-f", "{{.Id}}", name);
const file = (name: string): string => join(tools.folder, name);
/** Removes what a test loaded. */
const clear = async (from: TestDaemon): Promise<void> => {
  const ids = (await from.ok("images", "-aq")).split("\n").filter(Boolean);
  if (ids.length > 0) await from.docker(["rmi", "-f", ...new Set(ids)]);
  expect(await from.ok("images", "-aq")).toBe("");
};

test("a pulled index of two platforms keeps its digest through save and load, and its images theirs", async () => {
  const list = `${registry.host}/made:both`;
  const digest = await tools.digest(`docker://${list}`);
  expect(await daemon.ok("images", "--no-trunc", "--digests", "--format", "{{.Digest}}", list)).toContain(digest);
  await daemon.ok("save", "-o", file("both.tar"), list);
  expect(await fresh.ok("load", "-i", file("both.tar"))).toContain(`Loaded image: ${list}`);
  expect(await fresh.ok("images", "--no-trunc", "--digests", "--format", "{{.Digest}}", list)).toBe(digest);
  expect(await id(fresh, list)).toBe(await id(daemon, list));
  const platforms = JSON.parse(
    await fresh.ok("image", "inspect", "-f", "{{json .Architecture}}", "--platform", "linux/arm64", list),
  ) as string;
  expect(platforms).toBe("arm64");
  expect(await fresh.ok("run", "--rm", list)).toBe("made");
  const tree = (await fresh.berth(["images", "--tree"])).stdout;
  expect(tree).toMatch(/^IMAGE +ID +DISK USAGE +CONTENT SIZE +EXTRA\n/);
  expect(tree).toMatch(/─ linux\/amd64 .*\n.*─ linux\/arm64|─ linux\/arm64 .*\n.*─ linux\/amd64/);
  // what comes out again is the same file
  await fresh.ok("save", "-o", file("both-again.tar"), list);
  expect(Buffer.compare(await readFile(file("both-again.tar")), await readFile(file("both.tar")))).toBe(0);
  // and may be pushed as it is, without the registry it came from
  await using elsewhere = await startDockerRegistry();
  await fresh.ok("tag", list, `${elsewhere.host}/moved:1`);
  await fresh.ok("push", "-q", `${elsewhere.host}/moved:1`);
  expect(await tools.digest(`docker://${elsewhere.host}/moved:1`)).toBe(digest);
  await clear(fresh);
});

test("save and load of one platform", async () => {
  const list = `${registry.host}/made:both`;
  const layout = async (name: string): Promise<{ architecture: string }[]> => {
    const index = await run(["tar", "-xOf", file(name), "index.json"]);
    return (JSON.parse(index.stdout) as { manifests: { platform: { architecture: string } }[] }).manifests.map(
      ({ platform }) => platform,
    );
  };
  await daemon.ok("save", "--platform", "linux/arm64", "-o", file("arm.tar"), list);
  expect(await layout("arm.tar")).toEqual([{ architecture: "arm64", os: "linux" }] as object[] as never);
  await fresh.ok("load", "--platform", "linux/arm64", "-i", file("both.tar"));
  expect(await fresh.ok("image", "inspect", "-f", "{{.Architecture}}", list)).toBe("arm64");
  await clear(fresh);
  const refused = await fresh.docker(["load", "--platform", "linux/s390x", "-i", file("both.tar")]);
  expect(refused.status).toBe(1);
  expect(refused.stderr + refused.stdout).toMatch(/no image for linux\/s390x in it, only for linux\/a/);
  expect((await daemon.docker(["save", "--platform", "linux/s390x", list])).stderr).toContain(
    "does not match the specified platform",
  );
  expect(await fresh.ok("images", "-aq")).toBe("");
});

test.each([
  ["gzip", ["gzip", "-c"]],
  ["xz", ["xz", "-0", "-c"]],
  ["zstd", ["zstd", "-q", "-c"]],
  ["bzip2", ["bzip2", "-c"]],
])("load reads %s", async (name, command) => {
  await daemon.ok("save", "-o", file("plain.tar"), "local/made:1");
  await Bun.write(file(`packed.${name}`), (await Bun.$`${command} ${file("plain.tar")}`.quiet()).stdout);
  expect(await fresh.ok("load", "-i", file(`packed.${name}`))).toBe("Loaded image: local/made:1");
  expect(await id(fresh, "local/made:1")).toBe(await id(daemon, "local/made:1"));
  await clear(fresh);
});

describe(`other tools${missingTools.length > 0 ? ` (not run: without ${missingTools.join(", ")})` : ""}`, () => {
  const withTools = test.skipIf(missingTools.length > 0);

  withTools("skopeo reads what we save, as both formats, and gives it on with equal digests", async () => {
    await daemon.ok("save", "-o", file("made.tar"), "local/made:1");
    const config = await id(daemon, "local/made:1");
    const index = JSON.parse((await run(["tar", "-xOf", file("made.tar"), "index.json"])).stdout) as {
      manifests: { digest: string }[];
    };
    for (const source of [`oci-archive:${file("made.tar")}:1`, `docker-archive:${file("made.tar")}:local/made:1`]) {
      await tools.skopeo("copy", "--dest-compress-format", "gzip", source, `docker://${registry.host}/by-skopeo:1`);
      await fresh.ok("pull", "-q", `${registry.host}/by-skopeo:1`);
      expect(await id(fresh, `${registry.host}/by-skopeo:1`)).toBe(config);
      await clear(fresh);
    }
    expect(await tools.digest(`oci-archive:${file("made.tar")}:1`)).toBe(index.manifests[0]?.digest ?? "");
  });

  withTools("save --format oci gives tools of OCI alone what has Docker's types, an index too", async () => {
    await berth("save", "--format", "oci", "-o", file("only-oci.tar"), `${registry.host}/made:both`);
    await tools.skopeo("copy", "--all", `oci-archive:${file("only-oci.tar")}:both`, `oci:${file("only-oci")}:both`);
    const names = (await run(["find", join(file("only-oci"), "blobs"), "-type", "f", "-size", "-8k"])).stdout.split(
      "\n",
    );
    const texts = await Promise.all(names.filter(Boolean).map((path) => readFile(path, "utf8")));
    expect(texts.filter((text) => text.includes("vnd.docker.distribution"))).toEqual([]);
    expect(
      texts.filter((text) => text.includes("image.index.v1+json") || text.includes("image.manifest.v1+json")).length,
    ).toBe(3);
    expect(await fresh.ok("load", "-i", file("only-oci.tar"))).toContain(`Loaded image: ${registry.host}/made:both`);
    expect(
      await fresh.ok(
        "image",
        "inspect",
        "--platform",
        "linux/arm64",
        "-f",
        "{{.Architecture}}",
        `${registry.host}/made:both`,
      ),
    ).toBe("arm64");
    expect(await fresh.ok("run", "--rm", `${registry.host}/made:both`)).toBe("made");
    await clear(fresh);
  });

  withTools("we read what skopeo writes: OCI archive and layout, docker archive, all platforms", async () => {
    const list = `${registry.host}/made:both`;
    await tools.skopeo("copy", "--all", `docker://${list}`, `oci-archive:${file("sk-all.tar")}:${list}`);
    expect(await fresh.ok("load", "-i", file("sk-all.tar"))).toContain(`Loaded image: ${list}`);
    expect(await fresh.ok("image", "inspect", "--platform", "linux/arm64", "-f", "{{.Architecture}}", list)).toBe(
      "arm64",
    );
    // skopeo writes OCI's types, so the digest is skopeo's: kept from here on
    const digest = await tools.digest(`oci-archive:${file("sk-all.tar")}`);
    await fresh.ok("save", "-o", file("sk-back.tar"), list);
    expect(await tools.digest(`oci-archive:${file("sk-back.tar")}`)).toBe(digest);
    await clear(fresh);

    await tools.skopeo("copy", `docker://${registry.host}/made:amd64`, `oci:${file("sk-layout")}:named/by:skopeo`);
    await Bun.$`tar -C ${file("sk-layout")} -cf ${file("sk-layout.tar")} .`.quiet();
    expect(await fresh.ok("load", "-i", file("sk-layout.tar"))).toContain("Loaded image: named/by:skopeo");
    expect(await fresh.ok("run", "--rm", "named/by:skopeo")).toBe("made");
    await clear(fresh);

    await tools.skopeo(
      "copy",
      `docker://${registry.host}/made:amd64`,
      `docker-archive:${file("sk-docker.tar")}:named/by:docker`,
    );
    expect(await fresh.ok("load", "-i", file("sk-docker.tar"))).toBe("Loaded image: named/by:docker");
    expect(await id(fresh, "named/by:docker")).toBe(await id(daemon, "local/made:1"));
    await clear(fresh);
  });

  withTools("umoci unpacks what we save, and we run what umoci makes", async () => {
    // one that was pulled by a manifest of Docker's type, which umoci does not read
    await berth("save", "--format", "oci", "-o", file("for-umoci.tar"), `${registry.host}/made:amd64`);
    const layout = file("umoci-in");
    await mkdir(layout);
    await Bun.$`tar -C ${layout} -xf ${file("for-umoci.tar")}`.quiet();
    expect(await tools.umoci("ls", "--layout", layout)).toBe("amd64\n");
    await tools.umoci("unpack", "--image", `${layout}:amd64`, file("umoci-bundle"));
    expect(await readFile(join(file("umoci-bundle"), "rootfs/made"), "utf8")).toBe("made\n");
    // a layer more, by umoci
    await writeFile(join(file("umoci-bundle"), "rootfs/by-umoci"), "umoci was here\n");
    await rm(join(file("umoci-bundle"), "rootfs/made"));
    await tools.umoci("repack", "--image", `${layout}:2`, file("umoci-bundle"));
    await tools.umoci("config", "--image", `${layout}:2`, "--config.cmd", "cat", "--config.cmd", "/by-umoci");
    await tools.umoci("rm", "--image", `${layout}:amd64`);
    for (const old of ["manifest.json", "repositories"]) await rm(join(layout, old));
    await Bun.$`tar -C ${layout} -cf ${file("umoci-out.tar")} .`.quiet();
    const [, loaded = ""] =
      /Loaded image(?: ID)?: (\S+)/.exec(await fresh.ok("load", "-i", file("umoci-out.tar"))) ?? [];
    expect(await fresh.ok("run", "--rm", loaded)).toBe("umoci was here");
    expect((await fresh.docker(["run", "--rm", loaded, "cat", "/made"])).status).toBe(1);
    const digest = (
      JSON.parse(await readFile(join(layout, "index.json"), "utf8")) as { manifests: { digest: string }[] }
    ).manifests[0]?.digest;
    await fresh.ok("tag", loaded, "back:2");
    await fresh.ok("save", "-o", file("umoci-back.tar"), "back:2");
    expect(await tools.digest(`oci-archive:${file("umoci-back.tar")}:2`)).toBe(digest ?? "");
    await clear(fresh);
  });

  withTools("podman loads what we save, and we load both of its formats", async () => {
    const config = (await id(daemon, "local/made:1")).slice("sha256:".length);
    await daemon.ok("save", "-o", file("for-podman.tar"), "local/made:1", `${registry.host}/made:amd64`);
    const loaded = await tools.podman("load", "-i", file("for-podman.tar"));
    expect(loaded).toContain("local/made:1");
    expect((await tools.podman("image", "inspect", "--format", "{{.Id}}", "localhost/local/made:1")).trim()).toBe(
      config,
    );
    for (const format of ["oci-archive", "docker-archive"]) {
      const made = file(`podman-${format}.tar`);
      await tools.podman("save", "-q", "--format", format, "-o", made, "localhost/local/made:1");
      expect(await fresh.ok("load", "-i", made)).toContain("Loaded image: localhost/local/made:1");
      // podman writes configurations anew when it makes OCI's of Docker's: what counts is the archive's own
      const raw = await tools.skopeo("inspect", "--raw", `${format}:${made}`);
      expect(await id(fresh, "localhost/local/made:1")).toBe(
        (JSON.parse(raw) as { config: { digest: string } }).config.digest,
      );
      expect(await fresh.ok("run", "--rm", "localhost/local/made:1")).toBe("made");
      await clear(fresh);
    }
  });
});

describe("App Container Images", () => {
  /** An ACI of this rootfs, as rkt's tools pack it. */
  async function aci(
    name: string,
    manifest: object,
    fill: (rootfs: string) => Promise<void>,
    order = ["manifest", "rootfs"],
  ) {
    const folder = file(`aci-${name}`);
    await mkdir(join(folder, "rootfs"), { recursive: true });
    await fill(join(folder, "rootfs"));
    await writeFile(
      join(folder, "manifest"),
      JSON.stringify({ acKind: "ImageManifest", acVersion: "0.8.11", name: `example.com/${name}`, ...manifest }),
    );
    const made = file(`${name}.aci`);
    await Bun.$`tar -C ${folder} --owner=0 --group=0 --sort=name -cf ${made} ${order}`.quiet();
    return made;
  }
  const withBusybox = async (rootfs: string): Promise<void> => {
    await Bun.$`tar -C ${rootfs} -xf ${file("rootfs.tar")}`.quiet();
  };
  const app = {
    exec: ["/bin/sh", "-c", "echo $GREETING from $(pwd) as $(id -u):$(id -g) with $1", "sh"],
    user: "33",
    group: "33",
    workingDirectory: "/tmp",
    environment: [{ name: "GREETING", value: "hello = world" }],
    ports: [{ name: "http", protocol: "tcp", port: 8080, count: 2, socketActivated: false }],
    mountPoints: [{ name: "data", path: "/data", readOnly: false }],
    isolators: [{ name: "resource/memory", value: { limit: "64M" } }],
  };
  const labels = [
    { name: "version", value: "1.0.0" },
    { name: "os", value: "linux" },
    { name: "arch", value: "amd64" },
  ];

  test("an ACI runs here: exec, user, environment, folder, ports, mount points; plain and packed", async () => {
    const made = await aci("app", { labels, app, annotations: [{ name: "authors", value: "somebody" }] }, withBusybox);
    const loaded = await fresh.ok("load", "-i", made);
    expect(loaded).toContain("Loaded image: example.com/app:1.0.0");
    expect(await fresh.ok("run", "--rm", "example.com/app:1.0.0", "an argument")).toBe(
      "hello = world from /tmp as 33:33 with an argument",
    );
    const config = JSON.parse(
      await fresh.ok("image", "inspect", "-f", "{{json .Config}}", "example.com/app:1.0.0"),
    ) as object;
    expect(config).toMatchObject({
      User: "33:33",
      WorkingDir: "/tmp",
      Env: ["GREETING=hello = world"],
      ExposedPorts: { "8080/tcp": {}, "8081/tcp": {} },
      Volumes: { "/data": {} },
    });
    expect(await fresh.ok("image", "inspect", "-f", "{{.Author}}", "example.com/app:1.0.0")).toBe("somebody");
    const first = await id(fresh, "example.com/app:1.0.0");
    for (const command of [
      ["gzip", "-c"],
      ["xz", "-0", "-c"],
      ["bzip2", "-c"],
    ]) {
      await Bun.write(file("packed.aci"), (await Bun.$`${command} ${made}`.quiet()).stdout);
      await fresh.ok("load", "-q", "-i", file("packed.aci"));
      expect(await id(fresh, "example.com/app:1.0.0")).toBe(first);
    }
    // the manifest may come last
    const late = await aci("late", { labels, app }, withBusybox, ["rootfs", "manifest"]);
    expect(await fresh.ok("load", "-i", late)).toContain("Loaded image: example.com/late:1.0.0");
    await clear(fresh);
  });

  test("one that depends on another stands on its layers, and says what is missing", async () => {
    const base = await aci("base", { labels }, withBusybox);
    const top = await aci(
      "top",
      {
        labels,
        app: { exec: ["/bin/cat", "/top", "/made"], user: "0", group: "0" },
        dependencies: [{ imageName: "example.com/base", labels: [{ name: "version", value: "1.0.0" }] }],
      },
      (rootfs) => writeFile(join(rootfs, "top"), "top\n"),
    );
    const refused = await fresh.docker(["load", "-i", top]);
    expect(refused.stderr + refused.stdout).toContain(
      "ACI example.com/top depends on example.com/base:1.0.0, which is not here: load it first",
    );
    await fresh.ok("load", "-i", base);
    await fresh.ok("load", "-i", top);
    expect(await fresh.ok("run", "--rm", "example.com/top:1.0.0")).toBe("top\nmade");
    expect(await fresh.ok("image", "inspect", "-f", "{{len .RootFS.Layers}}", "example.com/top:1.0.0")).toBe("2");
    const pinned = await aci(
      "pinned",
      {
        labels,
        dependencies: [{ imageName: "example.com/base", imageID: `sha512-${"0".repeat(128)}`, labels: [labels[0]] }],
      },
      async () => {},
    );
    expect((await fresh.docker(["load", "-i", pinned])).stderr).toContain("is not it");
    await clear(fresh);
  });

  test("an image is saved as ACI and comes back the same: files, owners, modes, links, capabilities", async () => {
    await daemon.ok(
      "run",
      "--name",
      "odd",
      "busybox",
      "sh",
      "-c",
      "mkdir -m 1777 /d; echo x > /d/a; chown 5:6 /d/a; chmod 4755 /d/a; ln /d/a /d/hard; ln -s a /d/soft; mknod /d/null c 1 3; mkfifo /d/pipe; rm /etc/shadow",
    );
    await daemon.ok(
      "commit",
      "-c",
      'ENTRYPOINT ["/bin/sh"]',
      "-c",
      "ENV A=b=c",
      "-c",
      "USER 5:6",
      "-c",
      "EXPOSE 53/udp",
      "odd",
      "odd/image:v1",
    );
    await daemon.ok("rm", "odd");
    expect((await daemon.berth(["save", "--format", "aci", "-o", file("odd.aci"), "odd/image:v1"])).status).toBe(0);
    const members = (await run(["tar", "-tf", file("odd.aci")])).stdout.split("\n").filter(Boolean);
    expect(members[0]).toBe("manifest");
    expect(members.slice(1).every((name) => name.startsWith("rootfs/"))).toBe(true);
    const manifest = JSON.parse((await run(["tar", "-xOf", file("odd.aci"), "manifest"])).stdout) as object;
    expect(manifest).toMatchObject({
      acKind: "ImageManifest",
      name: "odd/image",
      labels: [{ name: "version", value: "v1" }, { name: "os", value: "linux" }, { name: "arch" }],
      app: {
        exec: ["/bin/sh"],
        user: "5",
        group: "6",
        environment: expect.arrayContaining([{ name: "A", value: "b=c" }]) as unknown,
        ports: [{ protocol: "udp", port: 53 }],
      },
    });
    await fresh.ok("load", "-i", file("odd.aci"));
    const look = [
      "-u",
      "0",
      "odd/image:v1",
      "-c",
      "cd /d; stat -c '%n %F %a %u:%g %h %t:%T' . *; readlink soft; ls /etc/shadow",
    ];
    const there = await fresh.docker(["run", "--rm", ...look]);
    const here = await daemon.docker(["run", "--rm", ...look]);
    expect(there.stdout).toBe(here.stdout);
    expect(there.stdout).toContain("a regular file 4755 5:6 2 0:0");
    expect((await daemon.berth(["save", "--format", "aci", "a", "b"])).stderr).toContain("holds one image");
    await clear(fresh);
  });

  test.each<[string, () => Promise<string>, string]>([
    [
      "a rootfs that is a link to the host",
      () =>
        aci("link", { labels }, async () => {}).then(async (made) => {
          await rm(file("aci-link/rootfs"), { recursive: true });
          await Bun.$`ln -s /etc ${file("aci-link/rootfs")}`.quiet();
          await Bun.$`tar -C ${file("aci-link")} -cf ${made} manifest rootfs`.quiet();
          return made;
        }),
      "it has no folder rootfs",
    ],
    ["a manifest that is none", () => aci("none", { acKind: "PodManifest" }, async () => {}), "acKind"],
    ["a name that leads out", () => aci("out", { name: "../../etc" }, async () => {}), "its name is"],
    [
      "another system",
      () => aci("os", { labels: [{ name: "os", value: "freebsd" }] }, async () => {}),
      "cannot load freebsd image on linux",
    ],
    [
      "members outside of it",
      async () => {
        const made = await aci("escape", { labels }, async (rootfs) => writeFile(join(rootfs, "x"), "x"));
        await Bun.$`tar -C ${file("aci-escape")} --transform s,rootfs/x,../../../../tmp/berth-escaped, -cPf ${made} manifest rootfs`.quiet();
        return made;
      },
      "lead",
    ],
    ["a path whitelist", () => aci("white", { labels, pathWhitelist: ["/a"] }, async () => {}), "pathWhitelist"],
  ])("refused: %s", async (_what, make, text) => {
    const refused = await fresh.docker(["load", "-i", await make()]);
    expect(refused.status).toBe(1);
    expect(refused.stderr + refused.stdout).toContain(text);
    expect(await fresh.ok("images", "-aq")).toBe("");
    expect(await Bun.file("/tmp/berth-escaped").exists()).toBe(false);
  });
});

test("import reads from an address, and export gives what import took", async () => {
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) =>
      request.url.endsWith("/rootfs.tar")
        ? new Response(Bun.file(file("rootfs.tar")))
        : new Response("no", { status: 404 }),
  });
  const address = `http://127.0.0.1:${server.port}`;
  const out = await daemon.ok("import", `${address}/rootfs.tar`, "by/address:1");
  expect(out).toContain(`Downloading from ${address}/rootfs.tar`);
  expect(await daemon.ok("run", "--rm", "by/address:1", "cat", "/made")).toBe("made");
  expect(await daemon.ok("history", "--format", "{{.Comment}}", "by/address:1")).toBe(
    `Imported from ${address}/rootfs.tar`,
  );
  expect((await daemon.docker(["import", `${address}/nosuch.tar`, "by/address:2"])).stderr).toContain("404");
  expect((await daemon.docker(["import", "http://127.0.0.1:1/x", "by/address:2"])).status).toBe(1);
  expect((await daemon.docker(["image", "inspect", "by/address:2"])).status).toBe(1);
});
