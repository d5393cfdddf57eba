import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { errorMessage } from "../../base/errors.ts";
import { Appliers } from "../../snapshots/apply/appliers.ts";
import { type ContextEntry, KeptContexts } from "./kept-contexts.ts";
import { SyncedFolders } from "./synced-folders.ts";

let place: string;
let folders: SyncedFolders;
let kept: KeptContexts;
const appliers = new Appliers({ maxWorkers: 1 });
beforeEach(() => {
  place = mkdtempSync("/tmp/berth-kept-");
  folders = new SyncedFolders(join(place, "folders"));
  kept = new KeptContexts({ folders, appliers });
});
afterEach(() => rmSync(place, { recursive: true }));

const name = "0123456789abcdef";
const signal = AbortSignal.timeout(20_000);
const entry = (path: string, type: string, text = ""): ContextEntry => [
  path,
  type,
  type === "d" ? 0o755 : 0o644,
  type === "f" ? text.length : 0,
  "1700000000000000000",
  type === "f" ? `1:${text}` : "",
  type === "l" ? text : "",
];
/** A tar of the paths of a new folder that `make` fills. */
async function* tar(make: (folder: string) => void, ...paths: string[]): AsyncGenerator<Uint8Array> {
  const folder = mkdtempSync(join(place, "tar-"));
  make(folder);
  yield new Uint8Array(await new Response(Bun.spawn(["tar", "-c", "-C", folder, ...paths]).stdout).arrayBuffer());
}
const errorOf = (work: Promise<unknown>): Promise<string> => work.then(() => "", errorMessage);
const listed = (): string[] => readdirSync(join(place, "folders"));

test("only what has changed is asked for, and it is all there after", async () => {
  const first = await kept.plan(name, [entry("d", "d"), entry("d/a", "f", "one"), entry("l", "l", "d/a")]);
  expect(first.missing).toEqual([1]);
  await kept.receive(
    first.id,
    tar((at) => (mkdirSync(join(at, "d")), writeFileSync(join(at, "d/a"), "one")), "d/a"),
    signal,
  );
  {
    await using context = kept.open(first.id);
    const { root } = await context.fetch(["."], signal);
    expect(readFileSync(join(root, "l"), "utf8")).toBe("one");
    expect(folders.list().map(({ inUse }) => inUse)).toEqual([true]);
  }
  const second = await kept.plan(name, [entry("d", "d"), entry("d/a", "f", "one")]);
  expect(second.missing).toEqual([]);
  await using context = kept.open(second.id);
  const { root } = await context.fetch(["."], signal);
  expect(readdirSync(root)).toEqual(["d"]);
});

test("an archive brings nothing but the files that were asked for, and none from elsewhere", async () => {
  writeFileSync(join(place, "host"), "host");
  const entries = [entry("d", "d"), entry("d/host", "f", "host")];
  const led = await kept.plan(name, entries);
  const outside = tar((at) => symlinkSync(place, join(at, "d")), "d");
  expect(await errorOf(kept.receive(led.id, outside, signal))).toBe("the context's d/host was not sent");
  expect(existsSync(join(place, "host"))).toBe(true);
  expect(listed()).toEqual([]);
  const link = await kept.plan(name, entries);
  const linked = tar((at) => (mkdirSync(join(at, "d")), symlinkSync(join(place, "host"), join(at, "d/host"))), "d");
  expect(await errorOf(kept.receive(link.id, linked, signal))).toBe("the context's d/host was not sent");
  const more = await kept.plan(name, entries);
  const extra = tar((at) => {
    mkdirSync(join(at, "d"));
    writeFileSync(join(at, "d/host"), "host");
    symlinkSync(place, join(at, "x"));
  }, ".");
  await kept.receive(more.id, extra, signal);
  await using context = kept.open(more.id);
  const { root } = await context.fetch(["."], signal);
  expect(readdirSync(root)).toEqual(["d"]);
});

test("a context whose files have not come cannot be built, nor one opened twice", async () => {
  const { id } = await kept.plan(name, [entry("f", "f", "text")]);
  expect(() => kept.open(id)).toThrow("were not sent");
  await kept.receive(
    id,
    tar((at) => writeFileSync(join(at, "f"), "text"), "f"),
    signal,
  );
  await using _context = kept.open(id);
  expect(() => kept.open(id)).toThrow("no context");
  const other = await kept.plan(name, [entry("f", "f", "text")]); // at work: a folder of its own
  expect(other.missing).toEqual([0]);
});

test("names that lead out, and entries below what is no folder, are refused and leave nothing", async () => {
  for (const entries of [
    [entry("../f", "f", "x")],
    [entry("a", "l", place), entry("a/f", "f", "x")],
    [entry("a", "f", "x"), entry("a", "f", "x")],
  ])
    expect(await errorOf(kept.plan(name, entries))).toContain("the context holds");
  expect(listed()).toEqual([]);
});
