import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { ContentStore } from "../content/store.ts";
import { openRegistries } from "../distribution/open-registries.ts";
import { defaultRegistrySettings } from "../distribution/settings.ts";
import type { EventInput } from "../events/bus.ts";
import { tarOf } from "../snapshots/apply/tar-fixture.ts";
import type { LayerStore } from "../snapshots/layers.ts";
import { openSnapshotter } from "../snapshots/open.ts";
import type { Snapshotter } from "../snapshots/snapshotter.ts";
import { engineCaller } from "../spec/caller.ts";
import { migrate } from "../store/migrate.ts";
import { imageMigrations } from "./books/image.sql.ts";
import type { Images, InUse, Progress } from "./images.ts";
import { openImages } from "./open.ts";

// A real store of images for tests; the bindings change with each test.
export const caller = engineCaller;
export let dir = "";
export let db: Database;
export let layers: Snapshotter & LayerStore;
export let images: Images;
export let content: ContentStore;
/** Settings that a test may change before it uses the store. */
export const settings: { layerBlobs: "keep" | "drop"; compression: "gzip" | "zstd" } = {
  layerBlobs: "keep",
  compression: "gzip",
};
export let events: EventInput[] = [];
export let progress: Progress[] = [];
export const report = (line: Progress): void => void progress.push(line);

export async function start(): Promise<void> {
  db = new Database(join(dir, "state.db"), { create: true });
  migrate(db, imageMigrations);
  layers = await openSnapshotter({ dataRoot: dir });
  content = new ContentStore({ root: join(dir, "content") });
  images = await openImages({
    db,
    content,
    registries: openRegistries({ ...defaultRegistrySettings, attempts: 2, retryDelayMs: 1 }),
    settings: {
      layerBlobs: () => settings.layerBlobs,
      compression: () => settings.compression,
      parallelDownloads: () => 3,
    },
    snapshotter: layers,
    workFolder: join(dir, "work"),
    events: { publish: (event) => void events.push(event) },
  });
}
/** Opens a fresh data root before each test of the file and removes it afterwards. */
export function useLab(): void {
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "berth-images-"));
    [events, progress] = [[], []];
    [settings.layerBlobs, settings.compression] = ["keep", "gzip"];
    await start();
  });
  afterEach(async () => {
    await layers.settled();
    db.close();
    rmSync(dir, { recursive: true, force: true });
  });
}

export const importOptions: Parameters<Images["import"]>[1] = {
  repository: "",
  tag: "",
  message: "",
  changes: [],
  platform: "",
  report,
  caller,
};
export const rootfs = (content = "hello"): Buffer =>
  tarOf({ name: "etc/", type: "folder", mode: 0o755 }, { name: "etc/motd", content });
export const importTar = (tar: Buffer, options: Partial<Parameters<Images["import"]>[1]> = {}) =>
  images.import(Readable.from([tar]), { ...importOptions, ...options });
export const load = (tar: Buffer, quiet = true) => images.load(Readable.from([tar]), { quiet, report, caller });
export const save = async (...names: string[]): Promise<Buffer> =>
  Buffer.concat(await Array.fromAsync((await images.save(names, { caller })) as AsyncIterable<Buffer>));
export const pull = (reference: string, options: Partial<Parameters<Images["pull"]>[1]> = {}) =>
  images.pull(reference, { platform: "", report, caller, ...options });
export const push = (repository: string, options: Partial<Parameters<Images["push"]>[1]> = {}) =>
  images.push(repository, { platform: "", tag: "", report, caller, ...options });
/** The store as a new process finds it. */
export async function restart(): Promise<void> {
  await layers.settled();
  db.close();
  await start();
}
export const remove = (name: string, options: { force?: boolean; inUse?: InUse } = {}) =>
  images.remove(name, { force: options.force ?? false, prune: true, inUse: options.inUse ?? (() => []), caller });
export const actions = (): string[] => events.map((event) => `${event.action} ${event.attributes["name"]}`);
export const nothingLeft = async (): Promise<void> => {
  await layers.settled();
  expect([
    images.list(),
    layers.layers(),
    readdirSync(join(dir, "content/ingest")),
    readdirSync(join(dir, "snapshots/overlay/tmp")),
  ]).toEqual([[], [], [], []]);
};
export const fixture = readFileSync(join(import.meta.dir, "fixtures/docker-20.10-save.tar.gz"));
export const fixtureIds = {
  base: "sha256:bccfa4329e157abea0a2f8086d50738e4a8a49800b600fcf51665023814d841f",
  two: "sha256:9191fd2955f73067f11b11c4d0bac9c09bc0cb80f48cb13c4bf7527f4ee10a73",
};
