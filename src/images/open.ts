import type { Database } from "bun:sqlite";
import { KeyedLock } from "../base/keyed-lock.ts";
import { Packers } from "../content/packers.ts";
import type { ContentStore } from "../content/store.ts";
import type { Registries } from "../distribution/registries.ts";
import type { EventSink } from "../events/bus.ts";
import type { LayerStore } from "../snapshots/layers.ts";
import type { Snapshotter } from "../snapshots/snapshotter.ts";
import { saveAci } from "./aci/save.ts";
import { sweepWork } from "./aci/work-folder.ts";
import { load } from "./archive/load.ts";
import { save } from "./archive/save.ts";
import { check, heal } from "./check.ts";
import { collect } from "./collect.ts";
import { commit } from "./commit.ts";
import { createImage } from "./create.ts";
import { hold, type ImageDeps, type ImageSettings } from "./deps.ts";
import { diskBytes, layersBytes, uniqueBytes } from "./disk-use.ts";
import { removeUnused } from "./garbage.ts";
import { history } from "./history.ts";
import { ImageBook } from "./books/image-book.ts";
import type { Images } from "./images.ts";
import { importImage } from "./import.ts";
import { LayerFetches } from "./travel/layer-fetches.ts";
import { manifests } from "./manifests.ts";
import { noRegistries } from "./travel/no-registries.ts";
import { pull } from "./travel/pull.ts";
import { push } from "./travel/push.ts";
import { prune, remove } from "./remove.ts";
import { tag } from "./tag.ts";

export const defaultImageSettings: ImageSettings = {
  layerBlobs: () => "keep",
  compression: () => "gzip",
  parallelDownloads: () => 3,
};

/** Opens the images of a data root, whose tables are migrated, and removes layers that no image came to need. */
export async function openImages(options: {
  db: Database;
  content: ContentStore;
  snapshotter: Snapshotter & LayerStore;
  events: EventSink;
  registries?: Registries;
  /** Folder of the engine for work that needs room on the disk; what is found there at the start is removed. */
  workFolder: string;
  settings?: ImageSettings;
  /** Layers that others than images need: the build cache. They hold them once they are open. */
  neededLayers?: ReadonlySet<string>;
}): Promise<Images> {
  const { db, content, snapshotter: layers, events, registries = noRegistries, workFolder } = options;
  await sweepWork(workFolder, layers);
  const { settings = defaultImageSettings } = options;
  const book = new ImageBook(db);
  const fetches = new LayerFetches({ content, layers, parallel: settings.parallelDownloads });
  const deps: ImageDeps = {
    fetches,
    packers: new Packers(),
    book,
    content,
    layers,
    events,
    locks: new KeyedLock(),
    held: new Map(),
    registries,
    settings,
    workFolder,
  };
  const needed = new Set([...book.list().flatMap((image) => image.chainIds), ...(options.neededLayers ?? [])]);
  for (const chainId of layers.layers()) if (!needed.has(chainId)) await layers.removeLayer(chainId);
  removeUnused(deps);
  return {
    resolve: (reference, asked) => book.resolve(reference, asked),
    list: () => book.list(),
    import: (tar, asked) => importImage(deps, tar, asked),
    load: (tar, asked) => load(deps, tar, asked),
    save: async (references, asked) => save(deps, references, asked),
    saveAci: async (reference, asked) => saveAci(deps, reference, asked),
    tag: async (reference, target, asked) => tag(deps, reference, target, asked.caller),
    remove: (reference, asked) => remove(deps, reference, asked),
    prune: (asked) => prune(deps, asked),
    history: (reference, asked) => history(deps, reference, asked),
    pull: (reference, asked) => pull(deps, reference, asked),
    push: (repository, asked) => push(deps, repository, asked),
    manifests: (reference) => manifests(deps, reference),
    create: async (asked) => createImage(deps, asked),
    hold: (chainIds) => hold(deps, chainIds),
    collect: (asked) => collect(deps, asked),
    use: (imageId) => book.use(imageId),
    heal: (log, signal) => heal(deps, log, signal),
    check: (asked) => check(deps, asked),
    diskBytes: () => diskBytes(deps),
    uniqueBytes: () => uniqueBytes(deps),
    commit: (asked) => commit(deps, asked),
    layersBytes: () => layersBytes(deps),
  };
}
