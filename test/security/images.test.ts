import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { resident } from "../harness/leftovers.ts";
import { run, until } from "../harness/run.ts";

let daemon: TestDaemon;
let folder: string;
let canary: string;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  folder = await mkdtemp("/tmp/berth-sec-");
  canary = join(folder, "canary");
  await mkdir(canary);
  await writeFile(join(canary, "secret"), "host\n", { mode: 0o640 });
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const untouched = async (): Promise<void> => {
  expect(await readdir(canary)).toEqual(["secret"]);
  expect(await Bun.file(join(canary, "secret")).text()).toBe("host\n");
  expect((await run(["stat", "-c", "%a %u:%g %h", join(canary, "secret")])).stdout).toBe("640 0:0 1\n");
};

interface Member {
  readonly name: string;
  readonly type?: string;
  readonly link?: string;
  readonly data?: string;
  readonly mode?: number;
  /** Octal digits of the size field, when they shall not be true. */
  readonly size?: string;
  readonly pax?: Readonly<Record<string, string>>;
}

/** A tar as no program would write it. */
function tar(members: readonly Member[]): Uint8Array {
  const blocks: Buffer[] = [];
  for (const member of members) {
    if (member.pax) {
      const rows = Object.entries(member.pax)
        .map(([key, value]) => paxRow(key, value))
        .join("");
      blocks.push(...entry({ name: "pax", type: "x", data: rows }));
    }
    blocks.push(...entry(member));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function paxRow(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (`${length}`.length + rest.length !== length) length++;
  return `${length}${rest}`;
}

function entry({ name, type = "0", link = "", data = "", mode = 0o644, size }: Member): Buffer[] {
  const head = Buffer.alloc(512);
  const body = Buffer.from(data);
  head.write(name.slice(0, 100), 0, "latin1");
  head.write(mode.toString(8).padStart(7, "0"), 100);
  head.write("0000000", 108);
  head.write("0000000", 116);
  head.write(size ?? body.length.toString(8).padStart(11, "0"), 124, "latin1");
  head.write("00000000000", 136);
  head.write("        ", 148);
  head.write(type, 156);
  head.write(link.slice(0, 100), 157, "latin1");
  head.write("ustar\x0000", 257, "latin1");
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return [head, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
}

const up = "../".repeat(12);
const corpus = (): [string, Member[]][] => [
  ["..", [{ name: `${up}${canary.slice(1)}/new`, data: "x" }]],
  ["an absolute name", [{ name: `${canary}/new`, data: "x" }]],
  [
    "a link out and a file through it",
    [
      { name: "l", type: "2", link: canary },
      { name: "l/new", data: "x" },
      { name: "l/secret", data: "x" },
    ],
  ],
  [
    "a link up and a file through it",
    [
      { name: "l", type: "2", link: `${up}${canary.slice(1)}` },
      { name: "l/secret", data: "x" },
    ],
  ],
  [
    "a link to a link",
    [
      { name: "a", type: "2", link: "/" },
      { name: "b", type: "2", link: `a${canary}` },
      { name: "b/secret", data: "x" },
    ],
  ],
  [
    "a hard link to the host's file",
    [
      { name: "h", type: "1", link: `${canary}/secret` },
      { name: "h", data: "x" },
    ],
  ],
  ["a hard link up", [{ name: "h", type: "1", link: `${up}${canary.slice(1)}/secret` }]],
  [
    "a hard link through a link",
    [
      { name: "l", type: "2", link: canary },
      { name: "h", type: "1", link: "l/secret" },
      { name: "h", data: "x", mode: 0o4777 },
    ],
  ],
  [
    "the mode of a link",
    [
      { name: "l", type: "2", link: `${canary}/secret`, mode: 0o777 },
      { name: "l", type: "2", link: `${canary}/secret`, mode: 0o666 },
    ],
  ],
  [
    "a folder, then a link of its name, then a file in it",
    [
      { name: "d", type: "5", mode: 0o755 },
      { name: "d", type: "2", link: canary },
      { name: "d/secret", data: "x" },
    ],
  ],
  [
    "a folder over a link",
    [
      { name: "d", type: "2", link: canary },
      { name: "d", type: "5", mode: 0o777 },
      { name: "d/secret", data: "x" },
    ],
  ],
  [
    "a whiteout of ..",
    [
      { name: ".wh...", data: "" },
      { name: ".wh..", data: "" },
      { name: ".wh.", data: "" },
    ],
  ],
  [
    "a whiteout through a link",
    [
      { name: "l", type: "2", link: canary },
      { name: "l/.wh.secret", data: "" },
    ],
  ],
  [
    "an opaque folder through a link",
    [
      { name: "l", type: "2", link: canary },
      { name: "l/.wh..wh..opq", data: "" },
    ],
  ],
  ["a pax path", [{ name: "x", data: "x", pax: { path: `${canary}/new` } }]],
  ["a pax path with ..", [{ name: "x", data: "x", pax: { path: `${up}${canary.slice(1)}/new` } }]],
  ["a pax link path", [{ name: "x", type: "1", link: "y", pax: { linkpath: `${canary}/secret` } }]],
  ["a NUL in a pax path", [{ name: "x", data: "x", pax: { path: `a\0${canary}/new` } }]],
  ["a negative pax size", [{ name: "x", data: "x", pax: { size: "-512" } }]],
  ["a huge pax size", [{ name: "x", data: "x", pax: { size: "99999999999999999999" } }]],
  ["a negative binary size", [{ name: "x", size: "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00" }]],
  ["a huge size", [{ name: "x", size: "77777777777" }]],
  [
    "xattrs of trust",
    [
      {
        name: "x",
        data: "x",
        pax: { "SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.trusted.overlay.opaque": "y" },
      },
    ],
  ],
  [
    "a folder with an overlay redirect",
    [
      {
        name: "d",
        type: "5",
        mode: 0o755,
        pax: { "SCHILY.xattr.trusted.overlay.redirect": canary, "SCHILY.xattr.user.overlay.redirect": canary },
      },
    ],
  ],
  [
    "an empty name",
    [
      { name: "", data: "x" },
      { name: "/", data: "x" },
      { name: ".", type: "2", link: canary },
      { name: "..", type: "2", link: canary },
    ],
  ],
];

describe("archives that lead out of their folder", () => {
  test("as an import, as a layer of a load and as a copy leave the host as it is, and the daemon alive", async () => {
    await daemon.ok("create", "--name", "copied-to", "busybox", "true");
    for (const [what, members] of corpus()) {
      const bytes = tar(members);
      const imported = await daemon.docker(["import", "-", "hostile"], { stdin: bytes, timeoutMs: 20_000 });
      if (imported.status === 0) {
        const inside = await daemon.docker(["run", "--rm", "-v", "/nothing", "hostile", "/none"], {
          timeoutMs: 20_000,
        });
        expect(`${what} ${inside.status}`).not.toBe(`${what} 0`);
        await daemon.docker(["create", "--name", "x", "hostile", "/none"]);
        await daemon.docker(["cp", "x:/", join(folder, "out")]);
        await rm(join(folder, "out"), { recursive: true, force: true });
        await daemon.docker(["rm", "-f", "x"]);
      }
      await daemon.docker(["cp", "-", "copied-to:/tmp"], { stdin: bytes, timeoutMs: 20_000 });
      await daemon.docker(["load"], { stdin: bytes, timeoutMs: 20_000 });
      await daemon.docker(["load"], { stdin: tar(dockerArchive(bytes)), timeoutMs: 20_000 });
      await untouched();
    }
    expect(await daemon.ok("run", "--rm", "busybox", "echo", "fine")).toBe("fine");
    await daemon.ok("rm", "copied-to");
  }, 120_000);
});

const digest = (bytes: string | Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

/** The members of a `docker save` archive with one layer. */
function dockerArchive(
  layer: Uint8Array,
  change: { config?: object; manifest?: (entry: Record<string, unknown>) => unknown; name?: string } = {},
): Member[] {
  const config = JSON.stringify({
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Cmd: ["/none"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${digest(layer)}`] },
    ...change.config,
  });
  const name = change.name ?? `${digest(config)}.json`;
  const entry = { Config: name, RepoTags: ["loaded:latest"], Layers: ["layer.tar"] };
  return [
    { name, data: config },
    { name: "layer.tar", data: Buffer.from(layer).toString("latin1") },
    { name: "manifest.json", data: JSON.stringify([change.manifest?.(entry) ?? entry]) },
  ];
}

test("a load whose parts do not fit together is refused before anything of it is seen", async () => {
  const layer = tar([{ name: "file", data: "x" }]);
  const before = await daemon.ok("images", "-aq");
  const wrong: [string, Member[]][] = [
    [
      "a layer of another digest",
      dockerArchive(layer, { config: { rootfs: { type: "layers", diff_ids: [`sha256:${"0".repeat(64)}`] } } }),
    ],
    ["a config of another digest", dockerArchive(layer, { name: `${"1".repeat(64)}.json` })],
    [
      "more layers than digests",
      dockerArchive(layer, { manifest: (entry) => ({ ...entry, Layers: ["layer.tar", "layer.tar"] }) }),
    ],
    ["a layer outside", dockerArchive(layer, { manifest: (entry) => ({ ...entry, Layers: ["../../../etc/passwd"] }) })],
    ["a config outside", dockerArchive(layer, { manifest: (entry) => ({ ...entry, Config: "/etc/passwd" }) })],
    [
      "a config that is a link out",
      [
        ...dockerArchive(layer, { manifest: (entry) => ({ ...entry, Config: "c" }) }),
        { name: "c", type: "2", link: "/etc/passwd" },
      ],
    ],
    ["a tag that is none", dockerArchive(layer, { manifest: (entry) => ({ ...entry, RepoTags: ["../../x:y"] }) })],
    ["a manifest of a wrong form", dockerArchive(layer, { manifest: () => "x" })],
    ["no manifest", dockerArchive(layer).slice(0, 2)],
    [
      "names of JavaScript's",
      dockerArchive(layer, { manifest: () => ({ Config: "__proto__", Layers: ["constructor"] }) }),
    ],
    ["a manifest of 20 MB", [{ name: "manifest.json", data: `["${"x".repeat(20 << 20)}"]` }]],
    ["a deep manifest", [{ name: "manifest.json", data: "[".repeat(200_000) + "]".repeat(200_000) }]],
    ["an index within itself", ociArchive((own) => ({ schemaVersion: 2, manifests: [own] }))],
    [
      "an index that is a manifest as well (GHSA-5j5w-g665-5m35)",
      ociArchive((own) => ({ schemaVersion: 2, config: own, layers: [], manifests: [own] })),
    ],
  ];
  for (const [what, members] of wrong) {
    const loaded = await daemon.docker(["load"], { stdin: tar(members), timeoutMs: 30_000 });
    expect(`${what}: ${loaded.status} ${loaded.stderr}`).toMatch(/: 1 .*\S/s);
    expect(loaded.stderr).not.toMatch(/undefined|TypeError|RangeError|root:x/);
    expect(await daemon.ok("images", "-aq")).toBe(before);
  }
  expect(await readdir(join(daemon.dataRoot, "content/ingest"))).toEqual([]);
  // and a sound one, by the same maker, is taken
  expect((await daemon.docker(["load"], { stdin: tar(dockerArchive(layer)) })).stderr).toBe("");
  expect(await daemon.ok("images", "-q", "loaded")).not.toBe("");
  await daemon.ok("rmi", "loaded");
});

/** An OCI layout whose index names one document, made with a descriptor as if it were that document's. */
function ociArchive(make: (own: object) => object): Member[] {
  const inner = JSON.stringify({ schemaVersion: 2, config: {}, layers: [] });
  const descriptor = {
    mediaType: "application/vnd.oci.image.index.v1+json",
    digest: `sha256:${digest(inner)}`,
    size: inner.length,
  };
  const document = JSON.stringify(make(descriptor));
  const top = { ...descriptor, digest: `sha256:${digest(document)}`, size: document.length };
  return [
    { name: "oci-layout", data: '{"imageLayoutVersion":"1.0.0"}' },
    { name: `blobs/sha256/${digest(inner)}`, data: inner },
    { name: `blobs/sha256/${digest(document)}`, data: document },
    { name: "index.json", data: JSON.stringify({ schemaVersion: 2, manifests: [top] }) },
  ];
}

test("three gigabytes from three megabytes are refused; memory and disk stay flat (CVE-2017-14992, CVE-2021-21285)", async () => {
  const bomb = join(folder, "bomb.gz");
  // zeros as one file of a tar, packed at about 1000 to 1
  const made = await run(
    [
      "sh",
      "-c",
      `mkdir ${folder}/b && truncate -s 3G ${folder}/b/zeros && tar -C ${folder}/b --no-xattrs -cf - zeros | gzip -6 > ${bomb}`,
    ],
    { timeoutMs: 120_000 },
  );
  expect(made.status).toBe(0);
  const before = await resident(daemon.pid());
  for (const words of [
    ["import", bomb, "bomb"],
    ["load", "-i", bomb],
  ]) {
    const refused = await daemon.docker(words, { timeoutMs: 120_000 });
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain("unpacks to more than");
    expect((await resident(daemon.pid())) - before).toBeLessThan(300 << 20);
  }
  await daemon.ok("create", "--name", "target", "busybox", "true");
  const copied = await run(["sh", "-c", `docker cp - target:/tmp < ${bomb}`], {
    env: { DOCKER_HOST: `unix://${daemon.socket}` },
    timeoutMs: 120_000,
  });
  expect(copied.status).not.toBe(0);
  await daemon.ok("rm", "target");
  await until(
    "what was unpacked is gone",
    async () => Number((await run(["du", "-sm", daemon.dataRoot])).stdout.split("\t")[0]) < 200,
  );
  expect(await daemon.ok("images", "-q", "bomb")).toBe("");
}, 300_000);

test("VOLUMEs of an image stay inside, whatever they are called and wherever their links lead (CVE-2021-43816, CVE-2022-23648)", async () => {
  const root = join(folder, "volumes");
  await mkdir(join(root, "bin"), { recursive: true });
  await run(["cp", "/bin/busybox", join(root, "bin/sh")]);
  await symlink(canary, join(root, "link"));
  await symlink("..".concat("/..".repeat(10), canary), join(root, "up"));
  await mkdir(join(root, "real"));
  await symlink(join(canary, "secret"), join(root, "real/file"));
  await run(["tar", "-C", root, "-cf", `${root}.tar`, "."]);
  for (const volume of [
    "/../../x",
    canary,
    "/link",
    "/link/below",
    "/up",
    "/real",
    "relative",
    "/real/../../../etc",
    "/proc/self/root",
    "/a//b/./c",
    "C:",
  ]) {
    await daemon.ok("import", "--change", `VOLUME ["${volume}"]`, `${root}.tar`, "volumes");
    const seen = await daemon.docker(
      [
        "run",
        "--rm",
        "volumes",
        "/bin/sh",
        "-c",
        `for f in ${volume}/secret /link/secret /up/secret /real/file; do read -r x < $f && echo "$x"; done; echo evil > ${volume}/evil; echo evil > /link/evil; echo evil > /real/file; true`,
      ],
      { timeoutMs: 20_000 },
    );
    expect(seen.stdout).not.toContain("host");
    await untouched();
  }
  expect(
    (await daemon.docker(["import", "--change", 'VOLUME ["/"]', `${root}.tar`, "rooted"])).status === 0
      ? (await daemon.docker(["run", "--rm", "rooted", "/bin/sh", "-c", "true"])).status
      : 1,
  ).not.toBe(0);
  // a volume never holds what a link of the image pointed at
  const found = await run(["grep", "-rl", "host", join(daemon.dataRoot, "volumes")]);
  expect(found.stdout).toBe("");
});

test("a tree as deep as no path can name is imported or refused, copied and removed", async () => {
  const deep = Array.from({ length: 3000 }, (_, depth) => ({
    name: "d",
    type: "5",
    mode: 0o755,
    pax: { path: `${"d/".repeat(depth)}d` },
  }));
  const imported = await daemon.docker(["import", "-", "deep"], { stdin: tar(deep), timeoutMs: 60_000 });
  if (imported.status === 0) {
    await daemon.ok("create", "--name", "deep", "deep", "/none");
    await daemon.docker(["export", "deep", "-o", join(folder, "deep.tar")], { timeoutMs: 60_000 });
    await daemon.ok("rm", "deep");
    await daemon.ok("rmi", "deep");
  } else expect(imported.stderr).not.toBe("");
  expect(await daemon.ok("run", "--rm", "busybox", "echo", "fine")).toBe("fine");
}, 120_000);
