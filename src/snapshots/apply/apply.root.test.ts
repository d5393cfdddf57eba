import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getXattr } from "../../kernel/xattr.ts";
import { Appliers } from "./appliers.ts";
import { rebuildTar } from "./split.ts";
import { member, patched, tarOf, withPax } from "./tar-fixture.ts";

const appliers = new Appliers({ maxWorkers: 2 });
afterAll(() => appliers.close());
let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-apply-"));
  mkdirSync(join(dir, "beside"));
  writeFileSync(join(dir, "beside/canary"), "alive");
});
afterEach(() => {
  expect(readFileSync(join(dir, "beside/canary"), "utf8")).toBe("alive");
  expect(readdirSync(join(dir, "beside"))).toEqual(["canary"]);
  rmSync(dir, { recursive: true, force: true });
});

const limits = { maxBytes: 64 * 1024 * 1024, maxEntries: 1000 };
const at = (path: string): string => join(dir, "diff", path);
const sha256 = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

async function* pieces(bytes: Buffer, size = 65536): AsyncGenerator<Buffer> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}
const apply = (tar: Buffer, size?: number) =>
  appliers.apply(pieces(tar, size), { target: at(""), split: join(dir, "split"), whiteouts: "overlay", limits });
const rebuilt = async (): Promise<Buffer> =>
  Buffer.concat(await Array.fromAsync(rebuildTar({ folder: at(""), split: join(dir, "split") })));

test("everything a tar can say arrives, and the same tar can be made again", async () => {
  const capability = Buffer.from("0100000200040000000000000000000000000000", "hex"); // cap_net_raw+ep
  const big = Buffer.alloc(1_500_000, "0123456789abcdef");
  const long = `${"directory-with-a-long-name/".repeat(12)}file`;
  const tar = tarOf(
    { name: "./", type: "folder", mode: 0o750, uid: 7, gid: 8 },
    { name: "bin/", type: "folder", mode: 0o755, mtimeSeconds: 1_234_567_890 },
    { name: "bin/ping", mode: 0o4755, content: "program", xattrs: [["security.capability", capability]] },
    { name: "bin/link", type: "symlink", mode: 0o777, linkName: "/etc/passwd", mtimeSeconds: 77 },
    { name: "bin/hard", type: "link", linkName: "bin/ping" },
    { name: "dev/null", type: "character", mode: 0o666, devMajor: 1, devMinor: 3 },
    { name: "dev/disk", type: "block", mode: 0o660, uid: 0, gid: 6, devMajor: 259, devMinor: 70_000 },
    { name: "run/pipe", type: "fifo", mode: 0o600 },
    { name: "big", content: big, uid: 3_000_000, gid: 4_000_000 },
    { name: long, content: "deep" },
    { name: "caf\xe9", content: "latin1 name" },
    withPax(
      [
        ["mtime", "1700000000.123456789"],
        ["SCHILY.xattr.user.note", Buffer.from([0xff, 0x00, 0x80])],
      ],
      member({ name: "exact", content: "x" }),
    ),
  );
  const applied = await apply(tar, 1000);
  expect(applied).toMatchObject({ diffId: sha256(tar), tarBytes: tar.length, entries: 12, irregular: false });
  expect(statSync(at(""))).toMatchObject({ mode: 0o040750, uid: 7, gid: 8 });
  expect(statSync(at("bin/ping")).mode).toBe(0o104755);
  expect(getXattr(at("bin/ping"), "security.capability")?.equals(capability)).toBe(true);
  expect(statSync(at("bin")).mtimeMs).toBe(1_234_567_890_000);
  expect([readlinkSync(at("bin/link")), lstatSync(at("bin/link")).mtimeMs]).toEqual(["/etc/passwd", 77_000]);
  expect(statSync(at("bin/hard")).ino).toBe(statSync(at("bin/ping")).ino);
  expect(statSync(at("dev/null")).rdev).toBe(0x103);
  expect(statSync(at("dev/disk")).isBlockDevice()).toBe(true);
  expect(statSync(at("run/pipe")).isFIFO()).toBe(true);
  expect(statSync(at("big"))).toMatchObject({ uid: 3_000_000, gid: 4_000_000 });
  expect(readFileSync(at("big")).equals(big)).toBe(true);
  expect(readFileSync(at(long), "utf8")).toBe("deep");
  expect(
    readdirSync(at(""), { encoding: "buffer" }).some((name) =>
      Buffer.from(name).equals(Buffer.from("caf\xe9", "latin1")),
    ),
  ).toBe(true);
  expect(statSync(at("exact"), { bigint: true }).mtimeNs).toBe(1_700_000_000_123_456_789n);
  expect(getXattr(at("exact"), "user.note")?.equals(Buffer.from([0xff, 0x00, 0x80]))).toBe(true);
  expect((await rebuilt()).equals(tar)).toBe(true);
});

test("whiteouts and opaque folders become overlayfs' own, whatever their order", async () => {
  const tar = tarOf(
    { name: "etc/.wh.passwd" },
    { name: "var/", type: "folder", mode: 0o755 },
    { name: "var/.wh..wh..opq" },
    { name: "var/new", content: "n" },
    { name: ".wh.old" },
    { name: "old/", type: "folder", mode: 0o755 },
    { name: "there", content: "t" },
    { name: ".wh.there" },
    { name: ".wh..wh.plnk" },
  );
  await apply(tar);
  for (const path of ["etc/passwd"]) expect(lstatSync(at(path))).toMatchObject({ rdev: 0 });
  expect(lstatSync(at("etc/passwd")).isCharacterDevice()).toBe(true);
  for (const path of ["var", "old"]) expect(getXattr(at(path), "trusted.overlay.opaque")?.toString()).toBe("y");
  expect(readFileSync(at("there"), "utf8")).toBe("t");
  expect(existsSync(at(".wh..wh.plnk"))).toBe(false);
  expect((await rebuilt()).equals(tar)).toBe(true);
});

test("a later member replaces an earlier one, of whatever kind", async () => {
  const tar = tarOf(
    { name: "a", content: "first" },
    { name: "a", content: "second" },
    { name: "b/c/d", content: "x" },
    { name: "b", type: "symlink", linkName: "/" },
    { name: "e", type: "symlink", linkName: "a" },
    { name: "e", content: "own" },
    { name: "f", content: "file" },
    { name: "f/", type: "folder", mode: 0o700 },
  );
  const applied = await apply(tar);
  expect(readFileSync(at("a"), "utf8")).toBe("second");
  expect(readlinkSync(at("b"))).toBe("/");
  expect(readFileSync(at("e"), "utf8")).toBe("own");
  expect(statSync(at("f")).isDirectory()).toBe(true);
  // what was replaced is kept beside the tree, so that the archive can still be made again
  expect(applied.irregular).toBe(false);
  expect((await rebuilt()).equals(tar)).toBe(true);
});

test("links in the way lead to places inside the target", async () => {
  const tar = tarOf(
    { name: `${dir}/beside/`, type: "folder", mode: 0o755 },
    { name: "out", type: "symlink", linkName: join(dir, "beside") },
    { name: "up", type: "symlink", linkName: `../../../..${dir}/beside` },
    { name: "out/one", content: "1" },
    { name: "up/two", content: "2" },
    { name: "abs", type: "symlink", linkName: `${dir}/beside/canary` },
    { name: "abs", content: "replaced, not followed" },
    { name: "/absolute", content: "below the root" },
    { name: "./a/../b//c", content: "tidied" },
  );
  await apply(tar);
  expect(readdirSync(at(`${dir}/beside`)).sort()).toEqual(["one", "two"]);
  expect(readFileSync(at("abs"), "utf8")).toBe("replaced, not followed");
  expect(readFileSync(at("absolute"), "utf8")).toBe("below the root");
  expect(readFileSync(at("b/c"), "utf8")).toBe("tidied");
  // what is read to make the archive again goes through the same links
  expect((await rebuilt()).equals(tar)).toBe(true);
});

test("a file below a link that leads nowhere inside is refused", async () => {
  await expect(
    apply(
      tarOf({ name: "out", type: "symlink", linkName: join(dir, "beside") }, { name: "out/canary", content: "dead" }),
    ),
  ).rejects.toThrow("no such file or directory");
});

test.each<[string, () => Buffer, string]>([
  ["a name that leads out", () => tarOf({ name: "../beside/canary", content: "dead" }), "leads out"],
  ["a name that leads out on the way", () => tarOf({ name: "a/../../beside/canary", content: "dead" }), "leads out"],
  ["a hard link to outside", () => tarOf({ name: "h", type: "link", linkName: "../beside/canary" }), "leads out"],
  ["a hard link to nothing", () => tarOf({ name: "h", type: "link", linkName: "/beside/canary" }), "no such file"],
  [
    "a hard link through a link to outside",
    () =>
      tarOf({ name: "s", type: "symlink", linkName: "../beside" }, { name: "h", type: "link", linkName: "s/canary" }),
    "no such file",
  ],
  ["a whiteout of the parent", () => tarOf({ name: ".wh..." }), "invalid whiteout"],
  ["a whiteout of nothing", () => tarOf({ name: "a/.wh." }), "invalid whiteout"],
  [
    "a pax path that leads out",
    () => Buffer.concat([withPax([["path", "../../x"]], member({ name: "fine" })), Buffer.alloc(1024)]),
    "leads out",
  ],
  [
    "a NUL in a pax path",
    () => Buffer.concat([withPax([["path", "a\0b"]], member({ name: "fine" })), Buffer.alloc(1024)]),
    "invalid name",
  ],
  ["a pax size that is no number", () => withPax([["size", "-5"]], member({ name: "f" })), "invalid size"],
  ["a pax size beyond the archive", () => withPax([["size", "999999"]], member({ name: "f" })), "unexpected end"],
  ["a pax size beyond the ceiling", () => withPax([["size", "9007199254740991"]], member({ name: "f" })), "more than"],
  ["a pax owner beyond 32 bits", () => withPax([["uid", "4294967295"]], member({ name: "f" })), "out of range"],
  [
    "a pax record with a wrong length",
    () =>
      Buffer.concat([
        patched(member({ name: "p" }), [
          [156, "x"],
          [124, "00000000012\0"],
        ]),
        Buffer.from("99 path=a\n".padEnd(512, "\0")),
        Buffer.alloc(1024),
      ]),
    "invalid pax",
  ],
  [
    "an extended header of gigabytes",
    () =>
      patched(member({ name: "L" }), [
        [156, "L"],
        [124, "77777777777\0"],
      ]),
    "too long",
  ],
  ["a negative size", () => patched(member({ name: "f" }), [[124, Buffer.alloc(12, 0xff)]]), "out of range"],
  [
    "a size of 2^63",
    () => patched(member({ name: "f" }), [[124, Buffer.from("800000007fffffffffffffff", "hex")]]),
    "out of range",
  ],
  ["a number that is none", () => patched(member({ name: "f" }), [[124, "0000000zzzz\0"]]), "invalid number"],
  [
    "a wrong checksum",
    () => Buffer.concat([Buffer.from(member({ name: "f" })).fill("9", 148, 154), Buffer.alloc(1024)]),
    "invalid",
  ],
  ["an unknown kind", () => patched(member({ name: "f" }), [[156, "Z"]]), "unhandled tar header type"],
  ["no tar at all", () => Buffer.from("hello, I am text\n".repeat(100)), "invalid"],
  [
    "an archive cut in a file",
    () => tarOf({ name: "f", content: "x".repeat(5000) }).subarray(0, 2000),
    "unexpected end",
  ],
  [
    "more bytes than allowed",
    () => tarOf({ name: "f", content: Buffer.alloc(1000) }, patched(member({ name: "g" }), [[124, "77777777777\0"]])),
    "more than",
  ],
  [
    "more members than allowed",
    () => tarOf(...Array.from({ length: 1001 }, (_none, index) => ({ name: `f${index}` }))),
    "more than 1000 members",
  ],
  [
    "a sparse map out of the file",
    () =>
      withPax(
        [
          ["GNU.sparse.size", "10"],
          ["GNU.sparse.map", "5,100"],
        ],
        member({ name: "s", content: "x".repeat(100) }),
      ),
    "invalid sparse map",
  ],
  [
    "a sparse map in the wrong order",
    () =>
      withPax(
        [
          ["GNU.sparse.size", "100"],
          ["GNU.sparse.map", "50,5,0,5"],
        ],
        member({ name: "s", content: "x".repeat(10) }),
      ),
    "invalid sparse map",
  ],
])("%s is refused", async (_what, tar, message) => {
  await expect(apply(tar())).rejects.toThrow(message);
});

test("overlayfs' own marks in an archive do nothing", async () => {
  await apply(
    tarOf({
      name: "d/",
      type: "folder",
      mode: 0o755,
      xattrs: [
        ["trusted.overlay.redirect", Buffer.from("/etc")],
        ["trusted.overlay.opaque", Buffer.from("y")],
      ],
    }),
  );
  expect(getXattr(at("d"), "trusted.overlay.redirect")).toBeUndefined();
  expect(getXattr(at("d"), "trusted.overlay.opaque")).toBeUndefined();
});

test.each(["gnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix --sparse-version=1.0"])(
  "GNU tar's sparse files arrive with their holes (--format=%s)",
  async (format) => {
    mkdirSync(join(dir, "in"));
    const path = join(dir, "in/sparse");
    Bun.spawnSync(["truncate", "-s", "20M", path]);
    Bun.spawnSync([
      "sh",
      "-c",
      `for i in 1 3 5 7 9 11; do printf part$i | dd of=${path} bs=1M seek=$i conv=notrunc status=none; done`,
    ]);
    const made = Bun.spawnSync(["sh", "-c", `tar -C ${dir}/in --format=${format} -S -cf ${dir}/s.tar sparse`]);
    expect(made.exitCode).toBe(0);
    const tar = readFileSync(join(dir, "s.tar"));
    expect(tar.length).toBeLessThan(1024 * 1024);
    await apply(tar);
    expect(readFileSync(at("sparse")).equals(readFileSync(path))).toBe(true);
    expect(statSync(at("sparse")).blocks * 512).toBeLessThan(1024 * 1024);
    expect((await rebuilt()).equals(tar)).toBe(true);
  },
);

test("a tree that GNU tar packs is the tree that GNU tar unpacks", async () => {
  const tar = Buffer.from(
    Bun.spawnSync(["tar", "-C", "/etc", "--xattrs", "-cf", "-", "alternatives", "init.d", "ssl"]).stdout,
  );
  await apply(tar, 4096);
  mkdirSync(join(dir, "gnu"));
  Bun.spawnSync(["tar", "-C", join(dir, "gnu"), "-xpf", "-"], { stdin: tar });
  const listing = (folder: string): string =>
    Bun.spawnSync(["find", ".", "-printf", "%P %y %m %U %G %s %T@ %l\n"], { cwd: folder })
      .stdout.toString()
      .split("\n")
      .filter((line) => !line.startsWith(" d "))
      .sort()
      .join("\n");
  expect(listing(at(""))).toBe(listing(join(dir, "gnu")));
  expect((await rebuilt()).equals(tar)).toBe(true);
});

test("an error of the source reaches the caller, and the Worker is of use again", async () => {
  async function* broken(): AsyncGenerator<Buffer> {
    yield tarOf({ name: "f", content: "x" }).subarray(0, 600);
    throw new Error("the line is dead");
  }
  await expect(appliers.apply(broken(), { target: at(""), whiteouts: "overlay", limits })).rejects.toThrow(
    "the line is dead",
  );
  expect((await apply(tarOf({ name: "g" }))).entries).toBe(1);
});

test("a signal stops the work", async () => {
  const controller = new AbortController();
  async function* endless(): AsyncGenerator<Buffer> {
    yield member({ name: "f", content: Buffer.alloc(1024) });
    for (;;) {
      controller.abort();
      yield patched(member({ name: "f", content: Buffer.alloc(1024) }), []);
    }
  }
  await expect(
    appliers.apply(endless(), { target: at(""), whiteouts: "overlay", limits, signal: controller.signal }),
  ).rejects.toThrow("cancelled");
});

test("content that is replaced by way of a link is noticed", async () => {
  const applied = await apply(
    tarOf(
      { name: "d/x", content: "first" },
      { name: "l", type: "symlink", linkName: "d" },
      { name: "l/x", content: "second" },
    ),
  );
  expect(readFileSync(at("d/x"), "utf8")).toBe("second");
  expect(applied.irregular).toBe(true);
});
