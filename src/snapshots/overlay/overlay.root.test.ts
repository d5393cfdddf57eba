import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Appliers } from "../apply/appliers.ts";
import { tarOf } from "../apply/tar-fixture.ts";
import { snapshotterConformance } from "../conformance.ts";
import { defaultApplyLimits } from "../open.ts";
import { OverlaySnapshotter } from "./overlay.ts";

const appliers = new Appliers({ maxWorkers: 2 });
afterAll(() => appliers.close());
const open = (dataRoot: string): Promise<OverlaySnapshotter> => {
  mkdirSync(join(dataRoot, "snapshots"), { recursive: true });
  return OverlaySnapshotter.open({ root: join(dataRoot, "snapshots/overlay"), appliers, limits: defaultApplyLimits });
};

snapshotterConformance("overlay2", open);

let dir = "";
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "berth-overlay-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function* source(): AsyncGenerator<Buffer> {
  yield tarOf({ name: "file", content: "content" });
}

test("a layer that was being unpacked when the process was killed is gone at the next start", async () => {
  const program = `
    import { OverlaySnapshotter } from ${JSON.stringify(join(import.meta.dir, "overlay.ts"))};
    import { Appliers } from ${JSON.stringify(join(import.meta.dir, "../apply/appliers.ts"))};
    import { tarOf } from ${JSON.stringify(join(import.meta.dir, "../apply/tar-fixture.ts"))};
    const driver = await OverlaySnapshotter.open({ root: ${JSON.stringify(dir)}, appliers: new Appliers({ maxWorkers: 1 }), limits: { maxBytes: 1e9, maxEntries: 1e5 } });
    const staged = await driver.stage((async function* () { yield tarOf({ name: "file", content: "content" }); })(), { parent: undefined });
    await staged.commit(staged.applied.diffId);`;
  const child = Bun.spawn([process.execPath, "-e", program], {
    env: { ...process.env, BERTH_FAULT: "snapshot.apply.before-commit=kill" },
  });
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
  expect(readdirSync(join(dir, "tmp"))).toHaveLength(1);
  const driver = await OverlaySnapshotter.open({ root: dir, appliers, limits: defaultApplyLimits });
  await driver.settled();
  expect([
    driver.layers(),
    readdirSync(join(dir, "tmp")),
    readdirSync(join(dir, "trash")),
    readdirSync(join(dir, "l")),
  ]).toEqual([[], [], [], ["_", "-"]]);
});

test("a snapshot whose preparation was killed is prepared by the next try", async () => {
  const driver = await open(dir);
  await using staged = await driver.stage(source(), { parent: undefined });
  await staged.commit(staged.applied.diffId);
  process.env["BERTH_FAULT"] = "snapshot.prepare.after-dirs=fail";
  try {
    await expect(driver.prepare("c1", [staged.applied.diffId])).rejects.toThrow("fault injected");
  } finally {
    delete process.env["BERTH_FAULT"];
  }
  await expect(driver.mount("c1", dir)).rejects.toThrow("no writable snapshot");
  const next = await open(dir);
  await next.prepare("c1", [staged.applied.diffId]);
  expect(next.paths("c1")["UpperDir"]).toBe(join(dir, "snapshots/overlay/containers/c1/upper"));
});

test("a layer that a power cut damaged is dropped, a whole one stays", async () => {
  let driver = await open(dir);
  for (const content of ["one", "two"]) {
    await using staged = await driver.stage(
      (async function* () {
        yield tarOf({ name: "file", content });
      })(),
      { parent: undefined },
    );
    await staged.commit(staged.applied.diffId);
  }
  const layers = join(dir, "snapshots/overlay/layers");
  const [damaged = "", whole = ""] = readdirSync(layers);
  for (const name of [damaged, whole]) {
    const meta = join(layers, name, "meta");
    writeFileSync(meta, readFileSync(meta, "utf8").replace(/"bootId":"[^"]*"/, '"bootId":"an earlier one"'));
  }
  writeFileSync(join(layers, damaged, "diff/file"), "\0\0\0");
  driver = await open(dir);
  expect(driver.layers()).toEqual([`sha256:${whole}`]);
  await driver.settled();
});

test("a full disk is a clear error that leaves nothing", async () => {
  Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", dir]);
  try {
    const driver = await open(dir);
    const big = (async function* () {
      yield tarOf({ name: "file", content: Buffer.alloc(4 * 1024 * 1024, 1) });
    })();
    await expect(driver.stage(big, { parent: undefined })).rejects.toThrow("write /file: no space left on device");
    await driver.settled();
    expect(readdirSync(join(dir, "snapshots/overlay/tmp"))).toEqual([]);
    await using staged = await driver.stage(source(), { parent: undefined });
    await staged.commit(staged.applied.diffId);
  } finally {
    Bun.spawnSync(["umount", "-l", dir]);
  }
});
