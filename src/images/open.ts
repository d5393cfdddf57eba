import type { Database } from "bun:sqlite";
import { KeyedLock } from "../base/keyed-lock.ts";
import type { ContentStore } from "../content/store.ts";
import type { EventSink } from "../events/bus.ts";
import type { LayerStore } from "../snapshots/layers.ts";
import type { Snapshotter } from "../snapshots/snapshotter.ts";
import { commit } from "./commit.ts";
import type { ImageDeps } from "./deps.ts";
import { history } from "./history.ts";
import { ImageBook } from "./image-book.ts";
import type { Images } from "./images.ts";
import { importImage } from "./import.ts";
import { load } from "./load.ts";
import { pull } from "./pull.ts";
import { layersBytes, prune, remove } from "./remove.ts";
import { save } from "./save.ts";
import { tag } from "./tag.ts";

/** Opens the images of a data root, whose tables are migrated, and removes layers that no image came to need. */
export async function openImages(options: {
  db: Database;
  content: ContentStore;
  snapshotter: Snapshotter & LayerStore;
  events: EventSink;
}): Promise<Images> {
  const { db, content, snapshotter: layers, events } = options;
  const book = new ImageBook(db);
  const deps: ImageDeps = { book, content, layers, events, locks: new KeyedLock(), held: new Map() };
  const needed = new Set(book.list().flatMap((image) => image.chainIds));
  for (const chainId of layers.layers()) if (!needed.has(chainId)) await layers.removeLayer(chainId);
  return {
    resolve: (reference) => book.resolve(reference),
    list: () => book.list(),
    import: (tar, asked) => importImage(deps, tar, asked),
    load: (tar, asked) => load(deps, tar, asked),
    save: async (references, asked) => save(deps, references, asked),
    tag: async (reference, target, asked) => tag(deps, reference, target, asked.caller),
    remove: (reference, asked) => remove(deps, reference, asked),
    prune: (asked) => prune(deps, asked),
    history: (reference) => history(deps, reference),
    pull: async (reference) => pull(reference),
    commit: (asked) => commit(deps, asked),
    layersBytes: () => layersBytes(deps),
  };
}
