import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { EngineError } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { bindMount, isMounted, mount, mountFlags, unmount } from "../../kernel/mount.ts";
import { openRoot } from "../../kernel/openat2.ts";
import { markTopFolder } from "../../kernel/top-folder.ts";
import type { Appliers } from "../apply/appliers.ts";
import type { ApplyLimits } from "../apply/apply.ts";
import { rebuildTar } from "../apply/split.ts";
import type { SnapshotterOptions } from "../drivers.ts";
import type { LayerSize, LayerStore, StagedLayer } from "../layers.ts";
import type { Change, Snapshotter } from "../snapshotter.ts";
import { Trash } from "../trash.ts";
import { treeTar } from "../tree/tree-tar.ts";
import { Adopters } from "./adopt.ts";
import { upperChanges } from "./changes.ts";
import { diskBytes } from "./disk-bytes.ts";
import { makeInitLayer } from "./init-layer.ts";
import { bootId, isDoubtful, isWhole, type Layer, LayerSync, readMeta, writeMeta } from "./layer-files.ts";
import { upperUsage } from "./usage.ts";

const initLink = "_"; // no number in base 36 is written so
const bareLink = "-"; // an empty folder: overlayfs wants a lower one
const bases: ReadonlySet<string> = new Set([initLink, bareLink]);

/**
 * Layers and containers over overlayfs. Below `root`:
 *   layers/<chain id>/{diff,split,meta}  committed by the rename that puts it there
 *   l/<n>                                short link to layers/<chain id>/diff; `_` is the init layer, `-` an empty one
 *   containers/<key>/{upper,work,lower}  `lower` is a link whose text lists the short links, topmost first
 *   tmp/, trash/                         emptied at each start
 */
export class OverlaySnapshotter implements Snapshotter, LayerStore {
  readonly name = "overlay2"; // moby parity: the name that info and inspect show
  readonly #root: string;
  readonly #limits: ApplyLimits;
  readonly #appliers: Appliers;
  readonly #adopters = new Adopters();
  readonly #trash: Trash;
  readonly #layers = new Map<string, Layer>();
  readonly #chainOfLink = new Map<string, string>();
  /** Lower links of each writable snapshot, the engine's own at the end among them. */
  readonly #containers = new Map<string, readonly string[]>();
  /** Layers that no image needs, kept for the sake of writable snapshots. */
  readonly #orphans = new Set<string>();
  /** As measured: a layer does not change. */
  readonly #diskBytes = new Map<string, number>();
  /** Links of layers that went missing under writable snapshots. */
  readonly #lost = new Map<string, string>();
  /** For option strings that are too long with whole paths. */
  readonly #linksFd: number;
  readonly #sync = new LayerSync();
  #nextLink = 0;
  #staged = 0;

  private constructor(options: SnapshotterOptions) {
    this.#root = options.root;
    this.#appliers = options.appliers;
    this.#limits = options.limits;
    // 0710: other users must not reach set-user-id files of images (CVE-2021-41091)
    for (const folder of ["", "layers", "l", "containers", "tmp", "trash"])
      mkdirSync(join(this.#root, folder), { recursive: true, mode: 0o710 });
    markTopFolder(join(this.#root, "tmp")); // where layers are unpacked
    this.#trash = new Trash(join(this.#root, "trash"));
    this.#trash.sweep(join(this.#root, "tmp"));
    makeInitLayer(join(this.#root, "init"));
    this.#link(initLink, "../init");
    mkdirSync(join(this.#root, "bare"), { recursive: true, mode: 0o755 });
    this.#link(bareLink, "../bare");
    this.#readContainers();
    this.#linksFd = openRoot(join(this.#root, "l"));
  }

  /** Opens the folders below `root`, finishes what an earlier process left, and drops layers that a power cut damaged. */
  static async open(options: SnapshotterOptions): Promise<OverlaySnapshotter> {
    const opened = new OverlaySnapshotter(options);
    await opened.#readLayers();
    return opened;
  }

  has(chainId: string): boolean {
    return this.#layers.has(chainId);
  }

  async prepare(key: string, chainIds: readonly string[], options: { bare?: boolean } = {}): Promise<void> {
    if (this.#containers.has(key)) return;
    const base = options.bare ? bareLink : initLink;
    const lower = [...chainIds.toReversed().map((chainId) => this.#layer(chainId).link), base];
    const top = chainIds.at(-1);
    const folder = this.#container(key);
    // what a crash left without its last step, `lower`, is empty: it is used again
    mkdirSync(join(folder, "upper"), { recursive: true });
    mkdirSync(join(folder, "work"), { recursive: true, mode: 0o700 });
    copyOwner(top === undefined ? join(this.#root, "init") : this.#diff(top), join(folder, "upper"));
    fault("snapshot.prepare.after-dirs");
    symlinkSync(lower.join(":"), join(folder, "lower"));
    this.#containers.set(key, lower);
    for (const link of lower) this.#orphans.delete(this.#chainOfLink.get(link) ?? "");
  }

  async mount(key: string, target: string): Promise<void> {
    if (isMounted(target)) return;
    const lower = this.#lower(key);
    const folder = this.#container(key);
    const missing = lower.find((link) => !bases.has(link) && !this.#layers.has(this.#chainOfLink.get(link) ?? ""));
    if (missing !== undefined)
      throw new EngineError(
        "internal",
        `layer ${this.#chainOfLink.get(missing) ?? missing} of its image is not in the store: run "berth system check --repair", or pull or load the image again`,
        { key },
      );
    // index=off, metacopy=off, redirect_dir=off: what lies in `upper` is what `changes` reads, whatever the kernel's defaults are
    const data = (links: string): string =>
      `lowerdir=${lower.map((link) => `${links}/${link}`).join(":")},upperdir=${folder}/upper,workdir=${folder}/work,index=off,metacopy=off,redirect_dir=off`;
    const whole = data(`${this.#root}/l`);
    mount({
      source: "overlay",
      target,
      type: "overlay",
      data: whole.length < 4096 ? whole : data(`/proc/self/fd/${this.#linksFd}`),
    });
  }

  async unmount(target: string): Promise<void> {
    unmount(target, { detach: true });
  }

  async remove(key: string): Promise<void> {
    const lower = this.#containers.get(key);
    this.#containers.delete(key);
    this.#trash.put(this.#container(key));
    if (lower && this.#orphans.size > 0) {
      for (const link of lower) {
        const chainId = this.#chainOfLink.get(link);
        if (chainId !== undefined && this.#orphans.has(chainId)) await this.removeLayer(chainId);
      }
    }
  }

  paths(key: string): Record<string, string> {
    const folder = this.#container(key);
    const lower = this.#folders(this.#containers.get(key) ?? []);
    return {
      LowerDir: [...lower, join(this.#root, "init")].join(":"),
      MergedDir: join(folder, "merged"),
      UpperDir: join(folder, "upper"),
      WorkDir: join(folder, "work"),
    };
  }

  usage(key: string): Promise<{ bytes: number; files: number }> {
    return upperUsage(join(this.#container(key), "upper"));
  }

  changes(key: string): Promise<readonly Change[]> {
    return upperChanges(join(this.#container(key), "upper"), this.#folders(this.#lower(key)));
  }

  diffTar(key: string): Readable {
    this.#lower(key);
    return treeTar(join(this.#container(key), "upper"), { whiteouts: "overlay", withRoot: false });
  }

  async stage(
    tar: AsyncIterable<Uint8Array>,
    options: { parent?: string | undefined; signal?: AbortSignal },
  ): Promise<StagedLayer> {
    const folder = join(this.#root, "tmp", `${process.pid}-${++this.#staged}`);
    const trash = this.#trash;
    const dispose = async (): Promise<void> => trash.put(folder);
    const diff = join(folder, "diff");
    mkdirSync(diff, { recursive: true, mode: 0o755 });
    try {
      chmodSync(diff, 0o755);
      const applied = await this.#appliers.apply(tar, {
        target: diff,
        split: join(folder, "split"),
        whiteouts: "overlay",
        limits: this.#limits,
        ...(options.signal ? { signal: options.signal } : {}),
      });
      return {
        applied,
        commit: async (chainId, { parent = options.parent } = {}) => {
          if (parent !== undefined && !applied.namesRoot) copyOwner(this.#diff(parent), diff);
          this.#commit(folder, chainId, applied);
        },
        [Symbol.asyncDispose]: dispose,
      };
    } catch (error) {
      await dispose();
      throw error;
    }
  }

  async adopt(key: string, options: { notAfterSeconds: number | null }): Promise<StagedLayer> {
    this.#lower(key);
    const folder = join(this.#root, "tmp", `${process.pid}-${++this.#staged}`);
    mkdirSync(folder, { mode: 0o710 });
    const trash = this.#trash;
    const dispose = async (): Promise<void> => trash.put(folder);
    try {
      renameSync(join(this.#container(key), "upper"), join(folder, "diff"));
      await this.remove(key);
      const split = join(folder, "split");
      const applied = await this.#adopters.adopt({ folder: join(folder, "diff"), split, ...options });
      return {
        applied,
        commit: async (chainId) => this.#commit(folder, chainId, applied),
        [Symbol.asyncDispose]: dispose,
      };
    } catch (error) {
      await dispose();
      throw error;
    }
  }

  async view(chainIds: readonly string[], target: string): Promise<void> {
    if (isMounted(target)) return;
    const links = [...chainIds.toReversed().map((chainId) => this.#layer(chainId).link), bareLink];
    const [only = ""] = links;
    if (links.length === 1) return bindMount(join(this.#root, "l", only, "."), target, { readOnly: true });
    const data = (folder: string): string => `lowerdir=${links.map((link) => `${folder}/${link}`).join(":")}`;
    const whole = data(`${this.#root}/l`);
    mount({
      source: "overlay",
      target,
      type: "overlay",
      flags: mountFlags.readOnly,
      data: whole.length < 4096 ? whole : data(`/proc/self/fd/${this.#linksFd}`),
    });
  }

  keys(): readonly string[] {
    return [...this.#containers.keys()];
  }

  size(chainId: string): LayerSize {
    return this.#layer(chainId);
  }

  async diskBytes(chainIds: readonly string[]): Promise<number> {
    const here = chainIds.filter((chainId) => this.#layers.has(chainId));
    const unknown = here.filter((chainId) => !this.#diskBytes.has(chainId));
    const sizes = await diskBytes(unknown.map((chainId) => this.#folder(chainId)));
    for (const [index, chainId] of unknown.entries()) this.#diskBytes.set(chainId, sizes[index] ?? 0);
    return here.reduce((sum, chainId) => sum + (this.#diskBytes.get(chainId) ?? 0), 0);
  }

  tar(chainId: string): Readable {
    if (this.#layer(chainId).irregular)
      throw new EngineError(
        "invalid",
        `layer ${chainId} came as an archive whose members replace each other: it cannot be written as it was`,
        { chainId },
      );
    return Readable.from(rebuildTar({ folder: this.#diff(chainId), split: join(this.#folder(chainId), "split") }), {
      objectMode: false,
    });
  }

  async removeLayer(chainId: string): Promise<void> {
    const layer = this.#layers.get(chainId);
    if (!layer) return;
    for (const lower of this.#containers.values()) {
      if (lower.includes(layer.link)) {
        this.#orphans.add(chainId);
        return;
      }
    }
    this.#orphans.delete(chainId);
    this.#layers.delete(chainId);
    this.#diskBytes.delete(chainId);
    this.#chainOfLink.delete(layer.link);
    this.#trash.put(this.#folder(chainId));
    this.#trash.put(join(this.#root, "l", layer.link));
  }

  async isWhole(chainId: string): Promise<boolean> {
    const layer = this.#layers.get(chainId);
    return layer !== undefined && (layer.irregular || (await isWhole(this.#folder(chainId), layer)));
  }

  discardLayer(chainId: string): void {
    const layer = this.#layers.get(chainId);
    if (!layer) return;
    this.#layers.delete(chainId);
    this.#diskBytes.delete(chainId);
    this.#trash.put(this.#folder(chainId));
    this.#lose(layer.link, chainId);
  }

  incomplete(): { key: string; chainIds: string[] }[] {
    return [...this.#containers].flatMap(([key, lower]) => {
      const chainIds = lower.flatMap((link) => {
        const chainId = this.#chainOfLink.get(link);
        if (bases.has(link)) return [];
        return chainId === undefined ? [`unknown layer ${link}`] : this.#layers.has(chainId) ? [] : [chainId];
      });
      return chainIds.length === 0 ? [] : [{ key, chainIds }];
    });
  }

  /** A layer whose files are gone: its link stays for the snapshots that name it, and waits for the layer to return. */
  #lose(link: string, chainId: string): void {
    const used = [...this.#containers.values()].some((lower) => lower.includes(link));
    if (used) {
      this.#chainOfLink.set(link, chainId);
      this.#lost.set(chainId, link);
      return;
    }
    this.#chainOfLink.delete(link);
    this.#trash.put(join(this.#root, "l", link));
  }

  keepLayer(chainId: string): void {
    this.#orphans.delete(chainId);
  }

  layers(): readonly string[] {
    return [...this.#layers.keys()];
  }

  async settled(): Promise<void> {
    await this.#sync.flush();
    await this.#trash.settled();
  }

  #commit(folder: string, chainId: string, size: LayerSize): void {
    this.#orphans.delete(chainId);
    if (this.#layers.has(chainId)) return;
    const link = this.#lost.get(chainId) ?? (this.#nextLink++).toString(36);
    const layer: Layer = {
      link,
      sizeBytes: size.sizeBytes,
      tarBytes: size.tarBytes,
      diffId: size.diffId,
      irregular: size.irregular,
      bootId,
    };
    writeMeta(folder, layer);
    fault("snapshot.apply.before-commit");
    this.#link(link, `../layers/${hex(chainId)}/diff`);
    renameSync(folder, this.#folder(chainId));
    this.#layers.set(chainId, layer);
    this.#lost.delete(chainId);
    this.#chainOfLink.set(link, chainId);
    this.#sync.add(this.#folder(chainId));
  }

  async #readLayers(): Promise<void> {
    const known = new Set([initLink, bareLink]);
    for (const name of readdirSync(join(this.#root, "layers"))) {
      const folder = join(this.#root, "layers", name);
      const layer = readMeta(folder);
      if (!layer || (isDoubtful(folder, layer) && !(await isWhole(folder, layer)))) {
        this.#trash.put(folder);
        continue;
      }
      this.#layers.set(`sha256:${name}`, layer);
      this.#chainOfLink.set(layer.link, `sha256:${name}`);
      this.#link(layer.link, `../layers/${name}/diff`);
      known.add(layer.link);
      this.#nextLink = Math.max(this.#nextLink, Number.parseInt(layer.link, 36) + 1);
    }
    for (const name of readdirSync(join(this.#root, "l"))) {
      if (known.has(name)) continue;
      const chainId = this.#linkedLayer(name);
      this.#nextLink = Math.max(this.#nextLink, (Number.parseInt(name, 36) || 0) + 1);
      if (chainId === undefined || this.#layers.has(chainId)) this.#trash.put(join(this.#root, "l", name));
      else this.#lose(name, chainId);
    }
  }

  /** The layer that a short link names, there or not. */
  #linkedLayer(name: string): string | undefined {
    try {
      const match = /^\.\.\/layers\/([0-9a-f]{64})\/diff$/.exec(readlinkSync(join(this.#root, "l", name)));
      return match ? `sha256:${match[1]}` : undefined;
    } catch {
      return undefined; // no link
    }
  }

  #readContainers(): void {
    for (const key of readdirSync(join(this.#root, "containers"))) {
      const lower = join(this.#root, "containers", key, "lower");
      if (!existsSync(join(this.#root, "containers", key, "upper"))) continue;
      try {
        this.#containers.set(key, readlinkSync(lower).split(":"));
      } catch {
        continue; // a prepare that did not end: the next one finishes it
      }
    }
  }

  #lower(key: string): readonly string[] {
    const lower = this.#containers.get(key);
    if (!lower) throw new EngineError("not-found", `no writable snapshot ${key}`, { key });
    return lower;
  }

  /** Layers that were dropped as damaged are left out. */
  #folders(links: readonly string[]): string[] {
    return links.flatMap((link) => {
      const chainId = this.#chainOfLink.get(link);
      return chainId === undefined || !this.#layers.has(chainId) ? [] : [this.#diff(chainId)];
    });
  }

  #layer(chainId: string): Layer {
    const layer = this.#layers.get(chainId);
    if (!layer) throw new EngineError("not-found", `layer ${chainId} is not in the store`, { chainId });
    return layer;
  }

  #link(name: string, target: string): void {
    const path = join(this.#root, "l", name);
    try {
      if (readlinkSync(path) === target) return;
      this.#trash.put(path);
    } catch {
      // not there yet
    }
    symlinkSync(target, path);
  }

  #container(key: string): string {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(key))
      throw new EngineError("invalid", `invalid snapshot key ${JSON.stringify(key)}`);
    return join(this.#root, "containers", key);
  }

  #folder(chainId: string): string {
    return join(this.#root, "layers", hex(chainId));
  }

  #diff(chainId: string): string {
    return join(this.#folder(chainId), "diff");
  }
}

function hex(chainId: string): string {
  if (!/^sha256:[0-9a-f]{64}$/.test(chainId))
    throw new EngineError("invalid", `invalid chain id ${JSON.stringify(chainId)}`);
  return chainId.slice(7);
}

function copyOwner(from: string, to: string): void {
  const { uid, gid, mode } = statSync(from);
  chownSync(to, uid, gid);
  chmodSync(to, mode & 0o7777);
}
