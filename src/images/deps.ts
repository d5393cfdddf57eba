import type { EventSink } from "../events/bus.ts";
import type { KeyedLock } from "../base/keyed-lock.ts";
import type { PackCompression } from "../content/pack-block.ts";
import type { Packers } from "../content/packers.ts";
import type { ContentStore } from "../content/store.ts";
import type { Registries } from "../distribution/registries.ts";
import type { LayerStore } from "../snapshots/layers.ts";
import type { Snapshotter } from "../snapshots/snapshotter.ts";
import type { ImageBook } from "./books/image-book.ts";
import type { LayerFetches } from "./travel/layer-fetches.ts";

/** What the verbs of images work with. */
export interface ImageDeps {
  readonly book: ImageBook;
  readonly content: ContentStore;
  readonly layers: Snapshotter & LayerStore;
  readonly events: EventSink;
  /** By chain id: a layer is unpacked once, and never removed while somebody is about to use it. */
  readonly locks: KeyedLock;
  /** Chain ids that work in progress needs, with how many need it: removal leaves them alone. */
  readonly held: Map<string, number>;
  readonly registries: Registries;
  readonly fetches: LayerFetches;
  readonly packers: Packers;
  readonly settings: ImageSettings;
  /** For work that needs room on the disk. */
  readonly workFolder: string;
}

/** Settings of the daemon for images; read anew each time, as a reload may change them. */
export interface ImageSettings {
  /** Whether compressed layers stay after they were unpacked; `drop` keeps those that nobody could give again. */
  readonly layerBlobs: () => "keep" | "drop";
  /** Downloads that run at once. */
  readonly parallelDownloads: () => number;
  /** How layers made here are compressed for their first journey. */
  readonly compression: () => PackCompression;
}

/** Keeps layers from being removed until disposed. */
export function hold(deps: Pick<ImageDeps, "held">, chainIds: readonly string[]): Disposable {
  for (const id of chainIds) deps.held.set(id, (deps.held.get(id) ?? 0) + 1);
  let done = false;
  return {
    [Symbol.dispose]() {
      if (done) return;
      done = true;
      for (const id of chainIds) {
        const count = (deps.held.get(id) ?? 1) - 1;
        if (count === 0) deps.held.delete(id);
        else deps.held.set(id, count);
      }
    },
  };
}
