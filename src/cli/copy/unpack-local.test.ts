import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pack, type Pack } from "tar-stream";
import { packLocal } from "./pack-local.ts";
import { unpackLocal } from "./unpack-local.ts";

let base: string;
let folder: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "berth-unpack-"));
  folder = join(base, "into");
  mkdirSync(folder);
});
afterEach(() => rmSync(base, { recursive: true }));

type Header = Parameters<Pack["entry"]>[0];

const unpack = (entries: readonly (readonly [Header, string?])[], warnings: string[] = []): Promise<void> => {
  const archive = pack();
  for (const [header, content] of entries) archive.entry(header, content ?? "");
  archive.finalize();
  return unpackLocal(Readable.from(archive, { objectMode: false }), {
    folder,
    name: (name) => name,
    owners: false,
    warn: (text) => void warnings.push(text),
  });
};

describe("an archive of a hostile container", () => {
  test("cannot climb out by its names", async () => {
    await expect(unpack([[{ name: "../escaped" }, "x"]])).rejects.toThrow("outside of the destination");
    await expect(unpack([[{ name: "a/../../escaped" }, "x"]])).rejects.toThrow("outside of the destination");
    await unpack([[{ name: "/absolute" }, "x"]]);
    expect(existsSync(join(base, "escaped"))).toBe(false);
    expect(readFileSync(join(folder, "absolute"), "utf8")).toBe("x");
  });

  test("cannot climb out through a link it brings", async () => {
    mkdirSync(join(base, "outside"));
    await expect(
      unpack([[{ name: "link", type: "symlink", linkname: "../outside" }], [{ name: "link/file" }, "x"]]),
    ).rejects.toThrow();
    expect(existsSync(join(base, "outside/file"))).toBe(false);
  });

  test("cannot write through a link that stands in a file's place", async () => {
    writeFileSync(join(base, "victim"), "safe");
    await unpack([[{ name: "f", type: "symlink", linkname: "../victim" }], [{ name: "f" }, "evil"]]);
    expect(readFileSync(join(base, "victim"), "utf8")).toBe("safe");
    expect(readFileSync(join(folder, "f"), "utf8")).toBe("evil");
  });

  test("cannot reach a file outside by a hard link", async () => {
    writeFileSync(join(base, "victim"), "safe");
    await expect(unpack([[{ name: "h", type: "link", linkname: "../victim" }]])).rejects.toThrow(
      "outside of the destination",
    );
    await unpack([
      [{ name: "s", type: "symlink", linkname: "../victim" }],
      [{ name: "h", type: "link", linkname: "s" }],
    ]);
    // a hard link to the link, not to what it leads to
    expect(readlinkSync(join(folder, "h"))).toBe("../victim");
  });

  test("cannot put a folder over a link to a folder", async () => {
    mkdirSync(join(base, "outside"));
    symlinkSync("../outside", join(folder, "d"));
    await expect(unpack([[{ name: "d", type: "directory", mode: 0o777 }], [{ name: "d/f" }, "x"]])).rejects.toThrow(
      "cannot overwrite non-directory with directory",
    );
    expect(existsSync(join(base, "outside/f"))).toBe(false);
  });

  test("makes no device, and says so", async () => {
    const warnings: string[] = [];
    await unpack(
      [[{ name: "sda", type: "block-device", devmajor: 8, devminor: 0 }], [{ name: "after" }, "x"]],
      warnings,
    );
    expect(existsSync(join(folder, "sda"))).toBe(false);
    expect(existsSync(join(folder, "after"))).toBe(true);
    expect(warnings).toEqual(["skipped sda: cannot make a block-device here"]);
  });

  test("that ends in the middle is a failure", async () => {
    const archive = pack();
    archive.entry({ name: "big" }, "x".repeat(5000));
    archive.finalize();
    let bytes = Buffer.alloc(0);
    for await (const chunk of archive) bytes = Buffer.concat([bytes, chunk as Uint8Array]);
    const cut = Readable.from([bytes.subarray(0, 2000)]);
    await expect(unpackLocal(cut, { folder, name: (name) => name, owners: false, warn() {} })).rejects.toThrow();
  });
});

test("what packLocal() packs unpackLocal() unpacks: modes, times, links, long names", async () => {
  const source = join(base, "source");
  const long = "n".repeat(180);
  mkdirSync(join(source, "d"), { recursive: true });
  writeFileSync(join(source, "d", long), "long", { mode: 0o754 });
  writeFileSync(join(source, "empty"), "");
  symlinkSync("d", join(source, "link"));
  await unpackLocal(packLocal({ folder: base, base: "source", name: (path) => path.replace(/^source/, "copy") }), {
    folder,
    name: (name) => name,
    owners: false,
    warn() {},
  });
  expect(readFileSync(join(folder, "copy/d", long), "utf8")).toBe("long");
  expect(statSync(join(folder, "copy/d", long)).mode & 0o777).toBe(0o754);
  expect(Math.trunc(statSync(join(folder, "copy/d")).mtimeMs / 1000)).toBe(
    Math.trunc(statSync(join(source, "d")).mtimeMs / 1000),
  );
  expect(readlinkSync(join(folder, "copy/link"))).toBe("d");
  expect(statSync(join(folder, "copy/empty")).size).toBe(0);
});

test("packLocal() names the file that is not there", async () => {
  const archive = packLocal({ folder: base, base: "nosuch", name: (path) => path });
  await expect(unpackLocal(archive, { folder, name: (name) => name, owners: false, warn() {} })).rejects.toThrow(
    `lstat ${base}/nosuch: no such file or directory`,
  );
});
