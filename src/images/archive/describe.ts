import { EngineError } from "../../base/errors.ts";
import { mediaTypes, type OciDescriptor } from "../../spec/oci/descriptor.ts";
import type { OciImageConfig } from "../../spec/oci/image.ts";
import { readDocument } from "../../spec/oci/manifest.ts";
import { familiarName, familiarReference, parseReference } from "../../spec/reference.ts";
import type { NewDocument } from "../books/document-book.ts";
import { chainIds } from "../chain-id.ts";
import { readConfig } from "../config.ts";
import { formatPlatform, hostPlatform, type Platform, platformRank } from "../platform.ts";
import { badImage, type ImageArchive } from "./receive.ts";

/** An image as an archive describes it, checked for its form; nothing of its layers is checked yet. */
export interface DescribedImage {
  readonly configBytes: Buffer;
  readonly config: OciImageConfig;
  readonly chainIds: readonly string[];
  /** Members of the archive with the layers, lowest first, and what the manifest says of them. */
  readonly layers: readonly { readonly member: string; readonly descriptor?: OciDescriptor }[];
  readonly references: readonly string[];
  /** Repository digests, familiar. */
  readonly digests: readonly string[];
  /** Digest of the manifest or index behind the references; empty when none is to be kept. */
  readonly target: string;
  readonly manifest?: NewDocument;
  readonly indexes: readonly NewDocument[];
}

export interface DescribeOptions {
  /** Only images of these; all when empty. */
  readonly platforms: readonly Platform[];
  /** Whether the unpacked layer is here, so that its blob need not be in the archive. */
  readonly isHere: (chainId: string) => boolean;
}

type Members = Record<string, unknown>;

/** The images of an archive: an OCI layout's `index.json`, or else Docker's `manifest.json`. */
export async function describeImages(archive: ImageArchive, options: DescribeOptions): Promise<DescribedImage[]> {
  const isDocker = archive.has("manifest.json");
  if (archive.has("index.json"))
    return layoutImages(archive, options, isDocker ? await dockerTags(archive) : undefined);
  if (isDocker) return dockerImages(archive, options);
  throw badImage("unrecognized image format: the archive holds neither manifest.json nor index.json");
}

interface DockerEntry {
  readonly config: string;
  readonly layers: readonly string[];
  readonly tags: readonly string[];
}

/** Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format". */
async function dockerEntries(archive: ImageArchive): Promise<DockerEntry[]> {
  const { value } = await archive.document("manifest.json");
  if (!Array.isArray(value)) throw badImage("invalid image archive: manifest.json is no list");
  return value.map((entry) => {
    const { Config: config, RepoTags: tags, Layers: layers } = object(entry, "manifest.json");
    if (typeof config !== "string" || !strings(layers) || !(tags === null || tags === undefined || strings(tags)))
      throw badImage("invalid image archive: manifest.json is not of Docker's form");
    return { config, layers, tags: (tags ?? []).map(checkedTag) };
  });
}

/** Tags by the digest of the configuration. */
async function dockerTags(archive: ImageArchive): Promise<Map<string, readonly string[]>> {
  const entries = await dockerEntries(archive);
  return new Map(entries.map(({ config, tags }) => [archive.file(config).digest, tags]));
}

async function dockerImages(archive: ImageArchive, options: DescribeOptions): Promise<DescribedImage[]> {
  const images: DescribedImage[] = [];
  let other = "";
  for (const { config: name, layers, tags } of await dockerEntries(archive)) {
    const { bytes, config } = await readConfigOf(archive, name);
    if (!fits(config, options.platforms)) {
      other = formatPlatform({ ...config, variant: config.variant ?? "" });
      continue;
    }
    images.push({
      ...checked(archive, { configBytes: bytes, config, layers: layers.map((member) => ({ member })) }, options),
      references: tags,
      digests: [],
      target: "",
      indexes: [],
    });
  }
  if (images.length === 0 && other !== "") throw noPlatform(options, [other]);
  return images;
}

/** OCI image-spec 1.1, "Image Layout". `tags` are those of Docker's manifest beside it. */
async function layoutImages(
  archive: ImageArchive,
  options: DescribeOptions,
  tags: ReadonlyMap<string, readonly string[]> | undefined,
): Promise<DescribedImage[]> {
  const index = object((await archive.document("index.json")).value, "index.json");
  const found = new Map<string, DescribedImage>();
  const others: string[] = [];
  for (const entry of list(index["manifests"], "index.json")) {
    const descriptor = checkedDescriptor(entry, "index.json");
    const names = namesOf(descriptor);
    const top = { archive, options, others, digest: descriptor.digest, indexes: [] };
    for (const image of await imagesOf(top, descriptor)) {
      const key = `${descriptor.digest} ${image.manifest?.digest ?? ""}`;
      const before = found.get(key);
      const isMade = tags !== undefined && image.layers.every(({ descriptor: layer }) => isPlain(layer));
      const references = [...(before?.references ?? []), ...names.references, ...(tags?.get(digestOf(image)) ?? [])];
      const digests = [...(before?.digests ?? []), ...names.digests];
      // engines make a manifest of plain layers just to save: nothing else knows it, and a push must not use it
      const { manifest: _made, ...bare } = image;
      const kept = isMade && digests.length === 0 ? { ...bare, target: "", indexes: [] } : image;
      found.set(key, { ...kept, references: [...new Set(references)], digests: [...new Set(digests)] });
    }
  }
  if (found.size === 0) throw noPlatform(options, others);
  return [...found.values()];
}

interface Walk {
  readonly archive: ImageArchive;
  readonly options: DescribeOptions;
  /** Platforms that were passed over. */
  readonly others: string[];
  /** Digest that the archive's index names. */
  readonly digest: string;
  /** From there on. */
  readonly indexes: readonly NewDocument[];
}

const maxDepth = 3; // as for registries: deeper ones are made to be a maze

async function imagesOf(walk: Walk, descriptor: OciDescriptor): Promise<DescribedImage[]> {
  const { archive, options, indexes } = walk;
  const name = await blob(archive, descriptor);
  const { bytes } = await archive.document(name);
  const { document, mediaType } = readKind(bytes, descriptor);
  const kept: NewDocument = { digest: descriptor.digest, mediaType, bytes };
  if (document.kind === "manifest") {
    const image = await manifestImage(walk, kept, document.value);
    return image ? [image] : [];
  }
  if (indexes.length >= maxDepth) throw badImage("invalid image archive: indexes within indexes within indexes");
  const images: DescribedImage[] = [];
  for (const entry of document.value.manifests) {
    // engines save an index whole with those of its images that they have
    if (!archive.has(blobName(entry.digest)) || isNoImage(entry)) continue;
    if (entry.platform && !fits(entry.platform, options.platforms)) walk.others.push(platformText(entry.platform));
    else images.push(...(await imagesOf({ ...walk, indexes: [...indexes, kept] }, entry)));
  }
  return images;
}

async function manifestImage(
  walk: Walk,
  manifest: NewDocument,
  value: { config: OciDescriptor; layers: OciDescriptor[] },
): Promise<DescribedImage | undefined> {
  const { archive, options, indexes } = walk;
  const isInner = indexes.length > 0;
  if (isInner && !archive.has(blobName(value.config.digest))) return undefined;
  const { bytes, config } = await readConfigOf(archive, await blob(archive, value.config), isInner);
  if (!config) return undefined;
  const isLinux = config.os.toLowerCase() === "linux";
  if ((isInner && !isLinux) || !fits(config, options.platforms)) {
    walk.others.push(platformText(config));
    return undefined;
  }
  const layers = value.layers.map((descriptor) => ({ member: blobName(descriptor.digest), descriptor }));
  for (const { descriptor } of layers) if (archive.has(blobName(descriptor.digest))) await blob(archive, descriptor);
  const chain = chainIds(config.rootfs.diff_ids);
  const lacks = layers.some(({ member }, at) => !archive.has(member) && !options.isHere(chain[at] ?? ""));
  if (isInner && lacks) return undefined;
  return {
    ...checked(archive, { configBytes: bytes, config, layers }, options),
    references: [],
    digests: [],
    target: walk.digest,
    manifest,
    indexes,
  };
}

function readKind(bytes: Buffer, descriptor: OciDescriptor) {
  const known = Object.values<string>(mediaTypes).includes(descriptor.mediaType);
  try {
    const document = readDocument(bytes, known ? descriptor.mediaType : "");
    return { document, mediaType: document.mediaType };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw badImage(`invalid image archive: ${descriptor.digest}: ${error.message.replace("invalid manifest: ", "")}`);
  }
}

async function readConfigOf(archive: ImageArchive, name: string): Promise<{ bytes: Buffer; config: OciImageConfig }>;
async function readConfigOf(
  archive: ImageArchive,
  name: string,
  lenient: boolean,
): Promise<{ bytes: Buffer; config: OciImageConfig | undefined }>;
async function readConfigOf(archive: ImageArchive, name: string, lenient = false) {
  const { bytes } = await archive.document(name);
  try {
    return { bytes, config: readConfig(bytes) };
  } catch (error) {
    if (lenient) return { bytes, config: undefined }; // an artifact among images
    throw error instanceof EngineError ? badImage(`invalid image archive: ${name}: ${error.message}`) : error;
  }
}

/** The image with its chain, if every layer is in the archive or here. */
function checked(
  archive: ImageArchive,
  image: Pick<DescribedImage, "configBytes" | "config" | "layers">,
  options: DescribeOptions,
) {
  const { config, layers } = image;
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== layers.length)
    throw badImage(`invalid manifest, layers length mismatch: expected ${diffIds.length}, got ${layers.length}`);
  if (config.os.toLowerCase() !== "linux") throw badImage(`cannot load ${config.os} image on linux`);
  const chain = chainIds(diffIds);
  for (const [at, { member }] of layers.entries())
    if (!archive.has(member) && !options.isHere(chain[at] ?? "")) archive.file(member); // throws
  return { ...image, chainIds: chain };
}

const fits = (platform: { os: string; architecture: string; variant?: string }, wanted: readonly Platform[]): boolean =>
  wanted.length === 0 || wanted.some((one) => platformRank(one, platform) !== undefined);

const platformText = (platform: { os: string; architecture: string; variant?: string }): string =>
  formatPlatform({ os: platform.os, architecture: platform.architecture, variant: platform.variant ?? "" });

function noPlatform({ platforms }: DescribeOptions, others: readonly string[]): EngineError {
  const wanted = (platforms.length > 0 ? platforms : [hostPlatform]).map(formatPlatform).join(", ");
  const there = others.length === 0 ? "" : `, only for ${[...new Set(others)].join(", ")}`;
  return badImage(`invalid image archive: no image for ${wanted} in it${there}`);
}

/** Attestations and the like, which no container runs from. */
const isNoImage = ({ annotations, platform }: OciDescriptor): boolean =>
  annotations?.["vnd.docker.reference.type"] !== undefined || platform?.os === "unknown";

const isPlain = (layer: OciDescriptor | undefined): boolean => layer === undefined || layer.mediaType.endsWith(".tar");
const digestOf = ({ configBytes }: DescribedImage): string =>
  `sha256:${new Bun.CryptoHasher("sha256").update(configBytes).digest("hex")}`;

export const blobName = (digest: string): string => `blobs/${digest.replace(":", "/")}`;

/** The archive's name of a descriptor's content, whose length and digest are checked. */
async function blob(archive: ImageArchive, { digest, size }: OciDescriptor): Promise<string> {
  const name = blobName(digest);
  const file = archive.file(name);
  if (file.sizeBytes !== size)
    throw badImage(`invalid image archive: ${name} is ${file.sizeBytes} bytes long, not ${size}`);
  return name;
}

function checkedDescriptor(value: unknown, where: string): OciDescriptor {
  const descriptor = object(value, where);
  const { digest, size, mediaType = "", annotations = {} } = descriptor;
  if (
    typeof digest !== "string" ||
    !/^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(digest) ||
    typeof size !== "number" ||
    typeof mediaType !== "string"
  )
    throw badImage("invalid image archive: a descriptor without digest and size");
  return {
    ...descriptor,
    mediaType,
    digest,
    size,
    annotations: object(annotations ?? {}, where) as Record<string, string>,
  };
}

/** containerd's note of the repositories that a manifest came from. */
const sourceKey = "containerd.io/distribution.source.";

function namesOf({ annotations = {}, digest }: OciDescriptor): { references: string[]; digests: string[] } {
  const full = annotations["io.containerd.image.name"] ?? annotations["org.opencontainers.image.ref.name"];
  // a bare tag says nothing about the repository
  const references = typeof full === "string" && /[:/]/.test(full) ? [checkedTag(full)] : [];
  const digests = Object.entries(annotations)
    .filter(([key]) => key.startsWith(sourceKey))
    .flatMap(([key, paths]) =>
      String(paths)
        .split(",")
        .map((path) => checkedSource(`${key.slice(sourceKey.length)}/${path}`, digest)),
    );
  return { references, digests };
}

function checkedSource(repository: string, digest: string): string {
  try {
    return `${familiarName(parseReference(repository))}@${digest}`;
  } catch {
    throw badImage(`invalid source ${JSON.stringify(repository)}`);
  }
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
