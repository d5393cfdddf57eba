import { EngineError } from "../../base/errors.ts";
import type { Repository } from "../../distribution/registries.ts";
import { mediaTypes, type OciDescriptor } from "../../spec/oci/descriptor.ts";
import type { OciImageConfig } from "../../spec/oci/image.ts";
import { type OciIndex, type OciManifest, readDocument } from "../../spec/oci/manifest.ts";
import { maxConfigBytes, readConfig } from "../config.ts";
import type { NewDocument } from "../books/document-book.ts";
import { choosePlatform, formatPlatform, type Platform } from "../platform.ts";

/** What a reference stands for at a registry, down to the one image of a platform. */
export interface RemoteImage {
  /** Digest of what the tag points to. */
  readonly target: string;
  readonly manifest: NewDocument;
  readonly value: OciManifest;
  /** From the target on; empty when the target is the manifest. */
  readonly indexes: readonly NewDocument[];
}

const maxDepth = 3; // indexes of indexes exist; deeper ones are made to be a maze

/**
 * Reads manifests and indexes of a repository until it is one image for the platform. `kept` gives documents that are
 * here already. Throws `invalid` for documents that lie, not-found with Docker's text when no platform fits.
 */
export async function readRemote(
  repository: Repository,
  name: string,
  options: {
    platform: Platform;
    signal?: AbortSignal;
    kept?: (digest: string) => NewDocument | undefined;
    /** Told when the name is known to exist. */
    found?: () => void;
  },
): Promise<RemoteImage> {
  const cancel = options.signal ? { signal: options.signal } : {};
  const indexes: NewDocument[] = [];
  let next: OciDescriptor | undefined;
  for (let depth = 0; depth <= maxDepth; depth++) {
    const found: NewDocument =
      options.kept?.(next?.digest ?? name) ?? (await fetchDocument(repository, next ?? name, cancel));
    if (depth === 0) options.found?.();
    const document = readDocument(found.bytes, found.mediaType);
    const target = indexes[0]?.digest ?? found.digest;
    if (document.kind === "manifest") {
      checkManifest(document.value);
      return { target, indexes, value: document.value, manifest: { ...found, mediaType: document.mediaType } };
    }
    indexes.push({ ...found, mediaType: document.mediaType });
    next = chooseEntry(document.value, options.platform);
  }
  throw new EngineError("invalid", "invalid manifest: indexes within indexes within indexes");
}

async function fetchDocument(
  repository: Repository,
  wanted: string | OciDescriptor,
  cancel: { signal?: AbortSignal },
): Promise<NewDocument> {
  const name = typeof wanted === "string" ? wanted : wanted.digest;
  const { descriptor, bytes } = await repository.manifest(name, cancel);
  if (typeof wanted !== "string" && bytes.length !== wanted.size)
    throw new EngineError("invalid", `manifest ${name} is ${bytes.length} bytes long, not ${wanted.size}`);
  // what the index says counts before what the server says
  const mediaType = typeof wanted === "string" ? descriptor.mediaType : wanted.mediaType;
  return { digest: descriptor.digest, mediaType, bytes };
}

function chooseEntry(index: OciIndex, platform: Platform): OciDescriptor {
  const offers = index.manifests.filter(
    ({ annotations, platform: offered }) =>
      annotations?.["vnd.docker.reference.type"] === undefined && offered?.os !== "unknown",
  );
  const chosen = choosePlatform(platform, offers, (descriptor) => descriptor.platform ?? undefined);
  if (chosen) return chosen;
  throw new EngineError(
    "not-found",
    `no matching manifest for ${formatPlatform(platform)} in the manifest list entries`, // moby parity
    {
      offered: offers.flatMap((offer) =>
        offer.platform ? [`${offer.platform.os}/${offer.platform.architecture}`] : [],
      ),
    },
  );
}

/** moby parity: old registries told the type of configurations wrongly. */
const configTypes: ReadonlySet<string> = new Set([
  mediaTypes.dockerConfig,
  mediaTypes.ociConfig,
  "application/octet-stream",
  "application/json",
  "text/html",
  "",
]);
const layerType =
  /^application\/(vnd\.oci\.image\.layer\.(nondistributable\.)?v1\.tar(\+gzip|\+zstd)?|vnd\.docker\.image\.rootfs\.(foreign\.)?diff\.tar(\.gzip|\.zstd|\+gzip|\+zstd)?)$/;

function checkManifest(manifest: OciManifest): void {
  const type = manifest.config.mediaType;
  if (!configTypes.has(type))
    throw new EngineError("invalid", `encountered remote ${JSON.stringify(type)}(${classOf(type)}) when fetching`); // moby parity
  const other = manifest.layers.find(({ mediaType }) => !layerType.test(mediaType));
  if (other)
    throw new EngineError(
      "invalid",
      `unsupported layer media type ${JSON.stringify(other.mediaType)} (${other.digest})`,
    );
  if (manifest.config.size > maxConfigBytes)
    throw new EngineError("invalid", `invalid image configuration: it is longer than ${maxConfigBytes} bytes`);
}

const classOf = (type: string): string => (type === "application/vnd.docker.plugin.v1+json" ? "plugin" : "unknown");

/** The configuration of an image at a registry: verified, and fitting to the manifest. */
export async function readRemoteConfig(
  repository: Repository,
  manifest: OciManifest,
  cancel: { signal?: AbortSignal },
): Promise<{ bytes: Buffer; config: OciImageConfig }> {
  const { digest, size } = manifest.config;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of repository.blob(manifest.config, {
    ...cancel,
    restarted: () => void ([chunks.length, length] = [0, 0]),
  })) {
    length += chunk.length;
    if (length > size) break;
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  if (length !== size)
    throw new EngineError("invalid", `image configuration ${digest} is not ${size} bytes long as the manifest says`);
  const algorithm = digest.startsWith("sha512:") ? "sha512" : "sha256";
  const got = `${algorithm}:${new Bun.CryptoHasher(algorithm).update(bytes).digest("hex")}`;
  if (got !== digest) throw new EngineError("invalid", `image configuration's digest is ${got}, not ${digest}`);
  const config = readConfig(bytes);
  if (config.rootfs.diff_ids.length !== manifest.layers.length)
    throw new EngineError(
      "invalid",
      `invalid manifest, layers length mismatch: expected ${config.rootfs.diff_ids.length}, got ${manifest.layers.length}`,
    );
  if (config.os.toLowerCase() !== "linux")
    throw new EngineError(
      "invalid",
      `image operating system ${JSON.stringify(config.os)} cannot be used on this platform: operating system is not supported`,
    );
  return { bytes, config };
}
