import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { errorMessage } from "../../base/errors.ts";
import type { SyncedEntry, SyncedFolder } from "./synced-folder.ts";
import { SyncedFolders } from "./synced-folders.ts";

let place: string;
beforeEach(() => void (place = mkdtempSync("/tmp/berth-synced-")));
afterEach(() => rmSync(place, { recursive: true }));

const file = (path: string, text: string, more: Partial<SyncedEntry> = {}): SyncedEntry & { text: string } => ({
  path,
  text,
  kind: "file",
  mode: 0o644,
  sizeBytes: Buffer.byteLength(text),
  mtimeNs: 1_700_000_000_123_456_789n,
  target: "",
  ...more,
});
const dir = (path: string, mode = 0o755): SyncedEntry => ({ ...file(path, ""), kind: "folder", mode });
const link = (path: string, target: string): SyncedEntry => ({ ...file(path, ""), kind: "link", target });

/** Names the entries as a client does; gives the paths whose content was asked for. */
function send(folder: SyncedFolder, entries: readonly (SyncedEntry & { text?: string })[]): string[] {
  const asked: string[] = [];
  for (const entry of entries) {
    const writer = folder.entry(entry);
    if (!writer) continue;
    asked.push(entry.path);
    writer.write(Buffer.from(entry.text ?? ""));
    writer.end();
  }
  return asked;
}

async function sync(
  folders: SyncedFolders,
  entries: readonly (SyncedEntry & { text?: string })[],
): Promise<{ asked: string[]; root: string }> {
  await using open = folders.open("key", "a context");
  const asked = send(open.folder, entries);
  open.keep();
  return { asked, root: open.folder.root };
}

const failure = (work: () => unknown): string => {
  try {
    work();
    return "";
  } catch (error) {
    return errorMessage(error);
  }
};

test("only what changed is asked for again, and what is gone goes", async () => {
  const folders = new SyncedFolders(place);
  const first = await sync(folders, [
    dir("d"),
    file("d/one", "1"),
    file("d/two", "2"),
    link("l", "d/one"),
    file("z", ""),
  ]);
  expect(first.asked).toEqual(["d/one", "d/two", "z"]);
  const { root } = first;
  const stat = statSync(join(root, "d/one"), { bigint: true });
  expect([readFileSync(join(root, "d/one"), "utf8"), stat.mtimeNs, Number(stat.mode & 0o777n)]).toEqual([
    "1",
    1_700_000_000_123_456_789n,
    0o644,
  ]);
  expect(readlinkSync(join(root, "l"))).toBe("d/one");
  expect(lstatSync(join(root, "l"), { bigint: true }).mtimeNs).toBe(1_700_000_000_123_456_789n);

  const again = await sync(new SyncedFolders(place), [
    dir("d", 0o700),
    file("d/one", "1"),
    file("d/two", "22"),
    file("z", "", { mode: 0o755 }),
  ]);
  expect(again.asked).toEqual(["d/two", "z"]);
  expect(readdirSync(root).sort()).toEqual(["d", "z"]);
  expect(readFileSync(join(root, "d/one"), "utf8")).toBe("1");
  expect(statSync(join(root, "d")).mode & 0o777).toBe(0o700);
  expect(folders.list().length).toBe(1);
});

test("files become folders and links, and the other way round, without anything else being touched", async () => {
  const folders = new SyncedFolders(place);
  const outside = join(place, "..", `outside-${process.pid}`);
  writeFileSync(outside, "mine");
  const { root } = await sync(folders, [dir("a"), dir("a/b"), file("a/b/c", "x"), file("f", "f"), link("l", "/")]);
  // a folder becomes a link that leads out: what lay below it must not be removed by way of the link
  await sync(folders, [link("a", join(root, "../../..")), dir("f"), file("f/x", "y"), file("l", "now a file")]);
  expect(readFileSync(outside, "utf8")).toBe("mine");
  expect(readFileSync(join(root, "f/x"), "utf8")).toBe("y");
  expect(lstatSync(join(root, "l")).isFile()).toBe(true);
  await sync(folders, [dir("a"), file("a/b", "b"), file("f", "f")]);
  expect(readdirSync(root, { recursive: true }).sort()).toEqual(["a", "a/b", "f"]);
  rmSync(outside);
});

test("two names of one file stay one file, also when it changes", async () => {
  const folders = new SyncedFolders(place);
  const { root } = await sync(folders, [file("a", "one"), file("b", "one", { target: "a" })]);
  const same = (): boolean => statSync(join(root, "a")).ino === statSync(join(root, "b")).ino;
  expect(same()).toBe(true);
  const again = await sync(folders, [
    file("a", "two", { mtimeNs: 1n }),
    file("b", "two", { target: "a", mtimeNs: 1n }),
  ]);
  expect(again.asked).toEqual(["a"]);
  expect([same(), readFileSync(join(root, "b"), "utf8")]).toEqual([true, "two"]);
});

test("names that lead out, come twice or lie below no folder are refused", async () => {
  const folders = new SyncedFolders(place);
  const cases: [(SyncedEntry & { text?: string })[], RegExp][] = [
    [[file("../x", "")], /a name that is none/],
    [[file("/etc/x", "")], /a name that is none/],
    [[file("a/../../x", "")], /a name that is none/],
    [[file("a//x", "")], /a name that is none/],
    [[file("a\0b", "")], /a name that is none/],
    [[file("", "")], /a name that is none/],
    [[file("a", ""), file("a", "")], /comes twice/],
    [[link("a", "/etc"), file("a/passwd", "")], /a is no folder/],
    [[link("a", "/etc"), file("a/b/passwd", "")], /a is no folder/],
    [[file("b", "", { target: "/etc/passwd" })], /not named before/],
    [[link("l", "/etc/passwd"), file("b", "", { target: "l" })], /not named before/],
    [[file("a", "longer", { sizeBytes: 3 })], /longer than it was said/],
  ];
  for (const [entries, reason] of cases) {
    await using open = folders.open("hostile", "");
    expect([entries[0]?.path, failure(() => send(open.folder, entries))]).toEqual([
      entries[0]?.path,
      expect.stringMatching(reason),
    ]);
  }
  expect(folders.list()).toEqual([]);
  expect(readdirSync(place)).toEqual([]);
});

test("a folder in use is not given to a second build, nor removed; what was cut off is sent anew", async () => {
  const folders = new SyncedFolders(place);
  await sync(folders, [file("a", "1")]);
  {
    await using one = folders.open("key", "");
    await using two = folders.open("key", "");
    expect(one.folder.root).not.toBe(two.folder.root);
    expect(send(one.folder, [file("a", "1")])).toEqual([]);
    expect(send(two.folder, [file("a", "1")])).toEqual(["a"]);
    const [kept] = folders.list();
    expect([kept?.inUse, await folders.remove(kept?.id ?? "")]).toEqual([true, false]);
    one.keep();
    two.keep();
  }
  expect(readdirSync(place)).toHaveLength(1);
  {
    const cut = folders.open("key", ""); // the engine dies in the middle
    send(cut.folder, [file("b", "2")]);
  }
  expect((await sync(new SyncedFolders(place), [file("a", "1")])).asked).toEqual(["a"]);
  const after = new SyncedFolders(place);
  expect([await after.remove(after.list()[0]?.id ?? ""), readdirSync(place), existsSync(place)]).toEqual([
    true,
    [],
    true,
  ]);
});

test("a file that changes while it is sent is asked for again", async () => {
  const folders = new SyncedFolders(place);
  await sync(folders, [{ ...file("a", "12"), sizeBytes: 5 }]);
  expect((await sync(folders, [{ ...file("a", "12345"), sizeBytes: 5 }])).asked).toEqual(["a"]);
});
