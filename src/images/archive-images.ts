import { EngineError } from "../base/errors.ts";
import type { OciImageConfig } from "../spec/oci/image.ts";
import { familiarReference, parseReference } from "../spec/reference.ts";
import { badImage, type ImageArchive } from "./archive-in.ts";
import { hostPlatform } from "./platform.ts";

/** An image as an archive describes it, checked for its form; nothing of its layers is checked yet. */
export interface DescribedImage {
  readonly configBytes: Buffer;
  readonly config: OciImageConfig;
  /** Members of the archive with the layers, lowest first. */
  readonly layers: readonly string[];
  readonly references: readonly string[];
}

type Members = Record<string, unknown>;

/** The images of an archive: Docker's `manifest.json`, or else an OCI layout's `index.json`. */
export async function describeImages(archive: ImageArchive): Promise<DescribedImage[]> {
  if (archive.has("manifest.json")) return dockerImages(archive);
  if (archive.has("index.json")) return layoutImages(archive);
  throw badImage("unrecognized image format: the archive holds neither manifest.json nor index.json");
}

/** Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format". */
async function dockerImages(archive: ImageArchive): Promise<DescribedImage[]> {
  const { value } = await archive.document("manifest.json");
  if (!Array.isArray(value)) throw badImage("invalid image archive: manifest.json is no list");
  const images: DescribedImage[] = [];
  for (const entry of value) {
    const { Config: config, RepoTags: tags, Layers: layers } = object(entry, "manifest.json");
    if (typeof config !== "string" || !strings(layers) || !(tags === null || tags === undefined || strings(tags)))
      throw badImage("invalid image archive: manifest.json is not of Docker's form");
    images.push(await imageOf(archive, config, layers, (tags ?? []).map(checkedTag)));
  }
  return images;
}

/** OCI image-spec 1.1, "Image Layout". */
async function layoutImages(archive: ImageArchive): Promise<DescribedImage[]> {
  const index = object((await archive.document("index.json")).value, "index.json");
  const images: DescribedImage[] = [];
  for (const descriptor of list(index["manifests"], "index.json")) {
    const found = await manifestImage(archive, object(descriptor, "index.json"), 0);
    if (found) images.push(found);
  }
  if (images.length === 0)
    throw badImage(`invalid image archive: no image for ${hostPlatform.os}/${hostPlatform.architecture} in it`);
  return images;
}

async function manifestImage(
  archive: ImageArchive,
  descriptor: Members,
  depth: number,
): Promise<DescribedImage | undefined> {
  const document = await blob(archive, descriptor);
  const what = String(descriptor["digest"]);
  const manifest = object((await archive.document(document)).value, what);
  // a document that reads as both kinds would be one image here and another elsewhere (GHSA-5j5w-g665-5m35)
  const isIndex = manifest["manifests"] !== undefined;
  if (isIndex && (manifest["config"] !== undefined || manifest["layers"] !== undefined))
    throw badImage(`invalid image archive: ${what} is a manifest and an index at once`);
  const [declared, own] = [descriptor["mediaType"], manifest["mediaType"]];
  if (typeof declared === "string" && typeof own === "string" && declared !== own)
    throw badImage(`invalid image archive: ${what} is ${own}, not ${declared}`);
  if (typeof declared === "string" && /(index|manifest\.list)/.test(declared) !== isIndex)
    throw badImage(`invalid image archive: ${what} is not ${declared}`);
  const references = names(descriptor);
  if (isIndex) {
    if (depth > 2) throw badImage("invalid image archive: indexes within indexes");
    const fitting = list(manifest["manifests"], what)
      .map((entry) => object(entry, what))
      .find(isForHost);
    const image = fitting ? await manifestImage(archive, fitting, depth + 1) : undefined;
    return image && { ...image, references: references.length > 0 ? references : image.references };
  }
  const layers: string[] = [];
  for (const layer of list(manifest["layers"], what)) layers.push(await blob(archive, object(layer, what)));
  return imageOf(archive, await blob(archive, object(manifest["config"], what)), layers, references);
}

async function imageOf(
  archive: ImageArchive,
  configName: string,
  layers: readonly string[],
  references: readonly string[],
): Promise<DescribedImage> {
  const { bytes, value } = await archive.document(configName);
  const config = object(value, configName) as Partial<OciImageConfig>;
  const diffIds = config.rootfs?.diff_ids;
  if (config.rootfs?.type !== "layers" || !strings(diffIds) || diffIds.some((id) => !/^sha256:[0-9a-f]{64}$/.test(id)))
    throw badImage(`invalid image archive: ${configName} is no image configuration`);
  if (diffIds.length !== layers.length)
    throw badImage(`invalid manifest, layers length mismatch: expected ${diffIds.length}, got ${layers.length}`);
  if (typeof config.os !== "string" || typeof config.architecture !== "string")
    throw badImage(`invalid image archive: ${configName} names no platform`);
  if (config.os !== "linux") throw badImage(`cannot load ${config.os} image on linux`);
  for (const name of layers) archive.file(name);
  return { configBytes: bytes, config: config as OciImageConfig, layers, references };
}

/** The archive's name of a descriptor's content, whose length and digest are checked. */
async function blob(archive: ImageArchive, descriptor: Members): Promise<string> {
  const { digest, size } = descriptor;
  const hex = /^sha256:([0-9a-f]{64})$/.exec(String(digest))?.[1];
  if (hex === undefined || typeof size !== "number")
    throw badImage("invalid image archive: a descriptor without digest and size");
  const name = `blobs/sha256/${hex}`;
  const file = archive.file(name);
  if (file.sizeBytes !== size)
    throw badImage(`invalid image archive: ${name} is ${file.sizeBytes} bytes long, not ${size}`);
  return name;
}

function names(descriptor: Members): string[] {
  const annotations = descriptor["annotations"] === undefined ? {} : object(descriptor["annotations"], "index.json");
  const full = annotations["io.containerd.image.name"] ?? annotations["org.opencontainers.image.ref.name"];
  // a bare tag says nothing about the repository
  return typeof full === "string" && /[:/]/.test(full) ? [checkedTag(full)] : [];
}

function isForHost(descriptor: Members): boolean {
  const platform = descriptor["platform"];
  if (platform === null || typeof platform !== "object") return true;
  const { os, architecture } = platform as Members;
  return os === hostPlatform.os && architecture === hostPlatform.architecture;
}

function checkedTag(text: string): string {
  try {
    const reference = parseReference(text);
    if (reference.tag === undefined || reference.digest !== undefined) throw badImage(`invalid tag "${text}"`);
    return familiarReference(reference);
  } catch (error) {
    throw error instanceof EngineError && error.message.startsWith("invalid tag")
      ? error
      : badImage(`invalid tag "${text}"`);
  }
}

const strings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === "string");

function object(value: unknown, where: string): Members {
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw badImage(`invalid image archive: ${where} is not of the form it must have`);
  return value as Members;
}

function list(value: unknown, where: string): unknown[] {
  if (!Array.isArray(value)) throw badImage(`invalid image archive: ${where} is not of the form it must have`);
  return value;
}
