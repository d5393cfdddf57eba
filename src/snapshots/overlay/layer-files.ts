import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rebuildTar } from "../apply/split.ts";
import type { LayerSize } from "../layers.ts";

/** What `meta` of a committed layer holds. */
export interface Layer extends LayerSize {
  /** Name of the short link to the layer's files: `lowerdir` of 127 layers must fit in one page. */
  readonly link: string;
  /** The boot of the machine in which it was unpacked. */
  readonly bootId: string;
}

export const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

export function writeMeta(folder: string, layer: Layer): void {
  writeFileSync(join(folder, "meta"), JSON.stringify(layer));
}

/** undefined for a layer that a power cut left without it. */
export function readMeta(folder: string): Layer | undefined {
  try {
    const layer = JSON.parse(readFileSync(join(folder, "meta"), "utf8")) as Partial<Layer>;
    return typeof layer.link === "string" &&
      typeof layer.diffId === "string" &&
      typeof layer.sizeBytes === "number" &&
      typeof layer.tarBytes === "number"
      ? {
          link: layer.link,
          diffId: layer.diffId,
          sizeBytes: layer.sizeBytes,
          tarBytes: layer.tarBytes,
          irregular: layer.irregular === true,
          bootId: layer.bootId ?? "",
        }
      : undefined;
  } catch {
    return undefined; // empty or cut short
  }
}

const quietMs = 5000; // the journal's own interval: an import that follows at once is not slowed

/**
 * Brings new layers to the disk in the background and notes it: waiting would triple the time of an import. Until
 * the note is there, a layer of an earlier boot is one that a power cut may have damaged.
 */
export class LayerSync {
  readonly #pending = new Set<string>();
  #timer: Timer | undefined;

  add(folder: string): void {
    this.#pending.add(folder);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush(), quietMs);
    this.#timer.unref();
  }

  /** Brings what is pending to the disk now. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    const folders = [...this.#pending];
    const [first] = folders;
    this.#pending.clear();
    if (first === undefined) return;
    const { promise, resolve } = Promise.withResolvers<Error | null>();
    execFile("/usr/bin/sync", ["-f", first], resolve).unref(); // all layers are in one file system
    if (await promise) return; // the next boot compares digests instead
    for (const folder of folders) if (existsSync(join(folder, "meta"))) writeFileSync(join(folder, "synced"), "");
  }
}

/** Whether the layer may be damaged: not noted as on the disk, and from before the machine last started. */
export const isDoubtful = (folder: string, layer: Layer): boolean =>
  layer.bootId !== bootId && !existsSync(join(folder, "synced"));

/** Whether the layer's files still make the archive they came from. */
export async function isWhole(folder: string, layer: Layer): Promise<boolean> {
  if (layer.irregular) return false; // nothing to compare with
  try {
    const hash = new Bun.CryptoHasher("sha256");
    for await (const chunk of rebuildTar({ folder: join(folder, "diff"), split: join(folder, "split") }))
      hash.update(chunk);
    return `sha256:${hash.digest("hex")}` === layer.diffId;
  } catch {
    return false; // a file is missing or short
  }
}
