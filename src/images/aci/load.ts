import { constants, lstatSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { Appliers } from "../../snapshots/apply/appliers.ts";
import { defaultApplyLimits } from "../../snapshots/open.ts";
import { treeTar } from "../../snapshots/tree/tree-tar.ts";
import type { Caller } from "../../spec/caller.ts";
import type { BookedImage } from "../books/image-book.ts";
import { chainIds, sha256 } from "../chain-id.ts";
import { hold, type ImageDeps } from "../deps.ts";
import { tell } from "../events.ts";
import type { LoadedImage, Report } from "../images.ts";
import { formatPlatform, normalizePlatform, parsePlatform, platformRank } from "../platform.ts";
import { removeUnusedLayers } from "../remove.ts";
import { aciKey, configOf, type KeptAci, referenceOf } from "./convert.ts";
import { type AciDependency, type AciManifest, readAciManifest } from "./manifest.ts";
import { workFolder } from "./work-folder.ts";

const maxManifestBytes = 4 * 1024 * 1024;

/**
 * Takes in an App Container Image: its root file system becomes one layer, over those of the images it depends on,
 * which must be here. It is unpacked beside everything first, since its members may come in any order.
 */
export async function loadAci(
  deps: ImageDeps,
  source: AsyncIterable<Uint8Array>,
  options: { platforms?: readonly string[]; report: Report; caller: Caller; signal?: AbortSignal },
): Promise<LoadedImage[]> {
  await using work = await workFolder(deps.workFolder, deps.layers);
  const target = join(work.path, "image");
  const hash = new Bun.CryptoHasher("sha512");
  const appliers = new Appliers({ maxWorkers: 1 });
  try {
    await appliers.apply(hashed(source, hash), {
      target,
      whiteouts: "literal",
      limits: defaultApplyLimits,
      ...(options.signal && { signal: options.signal }),
    });
  } finally {
    appliers.close();
  }
  const { manifest, value } = await readManifest(join(target, "manifest"));
  const rootfs = join(target, "rootfs");
  // a link in its place would be the host's files
  if (!lstatSync(rootfs, { throwIfNoEntry: false })?.isDirectory())
    throw new EngineError("invalid", "invalid ACI: it has no folder rootfs");
  if (manifest.pathWhitelist.length > 0)
    throw new EngineError("not-implemented", `ACI ${manifest.name} has a pathWhitelist, which is not supported`);
  const below = manifest.dependencies.flatMap((dependency) => {
    const image = resolveDependency(deps, manifest.name, dependency);
    return image.config.rootfs.diff_ids;
  });
  const kept: KeptAci = { id: `sha512-${hash.digest("hex")}`, manifest: value };
  return await bring(deps, { manifest, kept, below, rootfs }, options);
}

async function bring(
  deps: ImageDeps,
  aci: { manifest: AciManifest; kept: KeptAci; below: readonly string[]; rootfs: string },
  options: { platforms?: readonly string[]; report: Report; caller: Caller; signal?: AbortSignal },
): Promise<LoadedImage[]> {
  const { manifest, kept, below } = aci;
  const cancel = options.signal ? { signal: options.signal } : {};
  const tar = treeTar(aci.rootfs, { whiteouts: "none", withRoot: true, ...cancel });
  await using staged = await deps.layers.stage(tar as AsyncIterable<Buffer>, cancel);
  const diffIds = [...below, staged.applied.diffId];
  const chain = chainIds(diffIds);
  const config = configOf(manifest, kept, { diffIds });
  if (config.os.toLowerCase() !== "linux") throw new EngineError("invalid", `cannot load ${config.os} image on linux`);
  const wanted = (options.platforms ?? []).map((text) => parsePlatform(text));
  if (wanted.length > 0 && wanted.every((platform) => platformRank(platform, config) === undefined))
    throw new EngineError(
      "invalid",
      `the ACI is for ${formatPlatform(normalizePlatform(config))}, not for ${wanted.map(formatPlatform).join(", ")}`,
    );
  const held = hold(deps, chain);
  try {
    const top = chain.at(-1) ?? "";
    await bringBelow(deps, diffIds, chain, options.signal);
    await staged.commit(top, { parent: chain.at(-2) });
    deps.layers.keepLayer(top);
    fault("image.load.after-blob");
    const version = manifest.labels.find(({ name }) => name === "version")?.value;
    const reference = referenceOf(manifest.name, version);
    const configBytes = Buffer.from(JSON.stringify(config));
    const sizeBytes = chain.reduce((sum, chainId) => sum + deps.layers.size(chainId).sizeBytes, 0);
    const before = reference === undefined ? undefined : deps.book.pointed(reference);
    const references = reference === undefined ? [] : [reference];
    const image = deps.book.add({ configBytes, sizeBytes, references });
    fault("image.load.after-row");
    if (before && before.id !== sha256(configBytes))
      options.report({
        stream: `The image ${reference} already exists, renaming the old one with ID ${before.id} to empty string\n`,
      });
    if ((manifest.app?.unused ?? []).length > 0)
      options.report({
        stream: `Not applied to containers, but kept for saving: ${manifest.app?.unused.join(", ")}\n`,
      });
    if (reference !== undefined) tell(deps, "tag", image, reference, options.caller);
    tell(deps, "load", image, image.id, options.caller);
    return [{ image, reference: reference ?? "" }];
  } catch (error) {
    held[Symbol.dispose](); // else removal leaves them
    await removeUnusedLayers(deps, chain);
    throw error;
  } finally {
    held[Symbol.dispose]();
  }
}

/** Layers of several dependencies stand over each other in chains that may not be here: made of those that are. */
async function bringBelow(
  deps: ImageDeps,
  diffIds: readonly string[],
  chain: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  for (const [at, chainId] of chain.slice(0, -1).entries()) {
    if (deps.layers.has(chainId)) {
      deps.layers.keepLayer(chainId);
      continue;
    }
    const there = deps.layers.layers().find((other) => deps.layers.size(other).diffId === diffIds[at]);
    if (there === undefined) throw new EngineError("not-found", `layer ${diffIds[at]} is not here any more`);
    const tar = deps.layers.tar(there) as AsyncIterable<Buffer>;
    await using staged = await deps.layers.stage(tar, signal ? { signal } : {});
    await staged.commit(chainId, { parent: chain[at - 1] });
  }
}

/** appc specification 0.8, "Dependency Matching": by name and version; an id that is asked for must be the one. */
function resolveDependency(deps: ImageDeps, name: string, dependency: AciDependency): BookedImage {
  const version = dependency.labels.find((label) => label.name === "version")?.value;
  const reference = referenceOf(dependency.imageName, version);
  const what = `${dependency.imageName}${version === undefined ? "" : `:${version}`}`;
  const image = reference === undefined ? undefined : deps.book.pointed(reference);
  if (!image) throw new EngineError("not-found", `ACI ${name} depends on ${what}, which is not here: load it first`);
  const id = (image.config[aciKey] as KeptAci | undefined)?.id ?? "";
  if (dependency.imageId !== "" && id !== dependency.imageId)
    throw new EngineError(
      "invalid",
      `ACI ${name} depends on ${what} with id ${dependency.imageId}, ${image.id} is not it`,
    );
  return image;
}

async function readManifest(path: string) {
  const info = lstatSync(path, { throwIfNoEntry: false });
  if (!info?.isFile()) throw new EngineError("invalid", "invalid ACI: it has no file manifest");
  if (info.size > maxManifestBytes)
    throw new EngineError("invalid", `invalid ACI: its manifest is longer than ${maxManifestBytes} bytes`);
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const bytes = await file.readFile();
    return { manifest: readAciManifest(bytes), value: JSON.parse(bytes.toString("utf8")) as Record<string, unknown> };
  } finally {
    await file.close();
  }
}

async function* hashed(source: AsyncIterable<Uint8Array>, hash: Bun.CryptoHasher): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}
