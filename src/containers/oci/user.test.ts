import { mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "bun:test";
import { $ } from "bun";
import { findUser, resolveUser } from "./user.ts";

const passwd = `root:x:0:0:root:/root:/bin/sh
# comment:x:5:5::/:
daemon:x:1:2:d:/usr/sbin:/bin/false
web:x:1000:1000:Web:/home/web:/bin/sh
web:x:1:1:second:/second:/bin/sh
homeless:x:1001:50::
broken:x:abc:1000::/:/bin/sh
huge:x:4294967296:4294967296::/:/bin/sh
+nis
`;
const group = `root:x:0:
wheel:x:10:root,web
staff:x:50:web
web:x:1000:
bad:x:99999999999:
`;
const find = (user: string, groups: string[] = []) => findUser(passwd, group, { user, groups });

test("no user is root with root's groups", () => {
  expect(find("")).toEqual({ uid: 0, gid: 0, additionalGids: [0, 10], home: "/root" });
});

test("a name or its number has its own group, supplementary groups and home", () => {
  const web = { uid: 1000, gid: 1000, additionalGids: [1000, 10, 50], home: "/home/web" };
  expect(find("web")).toEqual(web);
  expect(find("1000")).toEqual(web);
});

test("a group that is said drops the supplementary ones", () => {
  expect(find("web:staff")).toEqual({ uid: 1000, gid: 50, additionalGids: [50], home: "/home/web" });
  expect(find("web:77")).toEqual({ uid: 1000, gid: 77, additionalGids: [77], home: "/home/web" });
  expect(find(":staff")).toMatchObject({ uid: 0, gid: 50 });
});

test("a number nobody has is taken as it is, with root's group", () => {
  expect(find("4711")).toEqual({ uid: 4711, gid: 0, additionalGids: [0], home: "/" });
  expect(find("4711:4712")).toEqual({ uid: 4711, gid: 4712, additionalGids: [4712], home: "/" });
  expect(findUser("", "", { user: "5", groups: [] })).toEqual({ uid: 5, gid: 0, additionalGids: [0], home: "/" });
});

test("added groups may be names or numbers", () => {
  expect(find("1001", ["staff", "123", "wheel"])).toEqual({
    uid: 1001,
    gid: 50,
    additionalGids: [50, 123, 10],
    home: "/",
  });
});

test("names that do not exist are refused with Docker's texts", () => {
  expect(() => find("ghost")).toThrow("unable to find user ghost: no matching entries in passwd file");
  expect(() => find("web:ghosts")).toThrow("unable to find group ghosts: no matching entries in group file");
  expect(() => find("web", ["ghosts"])).toThrow("Unable to find group ghosts: no matching entries in group file");
});

test("numbers that would wrap around to root are refused (CVE-2024-40635)", () => {
  for (const user of ["2147483648", "4294967295", "4294967296", "-1", "18446744073709551616", "0:4294967296", "0:-1"]) {
    expect(() => find(user)).toThrow("uids and gids must be in range 0-2147483647");
  }
  expect(() => find("0", ["4294967296"])).toThrow("uids and gids must be in range");
  for (const user of ["0x0", " 0", "0 ", "1e3", "٠"])
    expect(() => find(user)).toThrow("no matching entries in passwd file");
});

test("a broken row of the image never becomes root", () => {
  expect(() => find("broken")).toThrow("uids and gids must be in range");
  expect(() => find("huge")).toThrow("uids and gids must be in range");
  expect(() => find("0", ["bad"])).toThrow("uids and gids must be in range");
  expect(() => find("comment")).toThrow("no matching entries");
});

const folder = mkdtempSync(join(tmpdir(), "berth-user-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
function rootfs(name: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, "etc"), { recursive: true });
  return path;
}

test("resolveUser() reads the image's files, never the host's", () => {
  const root = rootfs("links");
  symlinkSync("/real/passwd", join(root, "etc/passwd"));
  symlinkSync("../../../../../../etc/group", join(root, "etc/group"));
  mkdirSync(join(root, "real"));
  writeFileSync(join(root, "real/passwd"), "only:x:7:8::/only:\n");
  // its own /etc/group is that very link: a loop, so none
  expect(resolveUser(root, { user: "only", groups: [] })).toEqual({
    uid: 7,
    gid: 8,
    additionalGids: [8],
    home: "/only",
  });
  expect(() => resolveUser(root, { user: "daemon", groups: [] })).toThrow("unable to find user daemon");
});

test("resolveUser() takes a missing file for an empty one", () => {
  const root = rootfs("empty");
  expect(resolveUser(root, { user: "", groups: [] })).toEqual({ uid: 0, gid: 0, additionalGids: [0], home: "/" });
});

test("resolveUser() neither waits for a FIFO nor reads without bound", async () => {
  const root = rootfs("traps");
  await $`mkfifo ${root}/etc/passwd`.quiet();
  await $`truncate -s 9M ${root}/etc/group`.quiet();
  expect(() => resolveUser(root, { user: "5", groups: [] })).toThrow(
    "/etc/group of the container is larger than 8388608 bytes",
  );
});
