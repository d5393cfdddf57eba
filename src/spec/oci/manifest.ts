import { EngineError } from "../../base/errors.ts";
import { isIndexType, isManifestType, mediaTypes, type OciDescriptor } from "./descriptor.ts";

/** One image: OCI image-spec 1.1 "manifest.md", or Docker's schema 2. */
export interface OciManifest {
  schemaVersion: 2;
  mediaType?: string;
  artifactType?: string;
  config: OciDescriptor;
  layers: OciDescriptor[];
  subject?: OciDescriptor;
  annotations?: Record<string, string>;
}

/** Several images: OCI image-spec 1.1 "image-index.md", or Docker's manifest list. */
export interface OciIndex {
  schemaVersion: 2;
  mediaType?: string;
  artifactType?: string;
  manifests: OciDescriptor[];
  subject?: OciDescriptor;
  annotations?: Record<string, string>;
}

export type Document =
  | { readonly kind: "manifest"; readonly mediaType: string; readonly value: OciManifest }
  | { readonly kind: "index"; readonly mediaType: string; readonly value: OciIndex };

/** Registries refuse longer ones: OCI distribution-spec 1.1, "Pushing Manifests". */
export const maxManifestBytes = 4 * 1024 * 1024;
/** More than any image has (overlayfs takes 500), fewer than would hurt. */
const maxDescriptors = 10_000;

/**
 * Reads a manifest or index whose bytes are verified already. `declared` is the media type that the registry or the
 * descriptor gave, empty when unknown. Throws `invalid`, also for a document that reads as both kinds: it would be one
 * image here and another elsewhere (GHSA-5j5w-g665-5m35).
 */
export function readDocument(bytes: Uint8Array, declared: string): Document {
  if (bytes.length > maxManifestBytes) throw bad(`it is longer than ${maxManifestBytes} bytes`);
  const value = parse(bytes);
  if (value["schemaVersion"] !== 2)
    throw bad(`schema version ${JSON.stringify(value["schemaVersion"] ?? null)} is not supported, only 2 is`);
  const own = value["mediaType"];
  if (own !== undefined && typeof own !== "string") throw bad("its mediaType is no text");
  const isIndex = value["manifests"] !== undefined;
  if (isIndex && (value["config"] !== undefined || value["layers"] !== undefined))
    throw bad("it is a manifest and an index at once");
  if (declared !== "" && own !== undefined && own !== declared) throw bad(`it is ${own}, not ${declared}`);
  const mediaType = own ?? (declared === "" ? (isIndex ? mediaTypes.ociIndex : mediaTypes.ociManifest) : declared);
  if (isIndex ? !isIndexType(mediaType) : !isManifestType(mediaType))
    throw bad(`its content is not ${JSON.stringify(mediaType)}`);
  if (value["subject"] !== undefined) descriptor(value["subject"], "subject");
  if (isIndex) {
    descriptors(value["manifests"], "manifests");
    return { kind: "index", mediaType, value: value as unknown as OciIndex };
  }
  descriptor(value["config"], "config");
  descriptors(value["layers"], "layers");
  return { kind: "manifest", mediaType, value: value as unknown as OciManifest };
}

type Members = Record<string, unknown>;

function parse(bytes: Uint8Array): Members {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw bad("it is not JSON");
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw bad("it is no JSON object");
  return value as Members;
}

function descriptors(value: unknown, member: string): void {
  if (!Array.isArray(value)) throw bad(`${member} is no list`);
  if (value.length > maxDescriptors) throw bad(`${member} has more than ${maxDescriptors} entries`);
  for (const [index, item] of value.entries()) descriptor(item, `${member}[${index}]`);
}

function descriptor(value: unknown, member: string): asserts value is OciDescriptor {
  if (value === null || typeof value !== "object") throw bad(`${member} is no descriptor`);
  const { mediaType, digest, size, platform } = value as Members;
  if (typeof mediaType !== "string") throw bad(`${member} has no mediaType`);
  if (typeof digest !== "string" || !/^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(digest))
    throw bad(`${member} has no digest that can be checked: ${JSON.stringify(digest ?? null)}`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) throw bad(`${member} has no size`);
  if (platform === undefined || platform === null) return;
  const { architecture, os } = platform as Members;
  if (typeof architecture !== "string" || typeof os !== "string") throw bad(`${member} has no whole platform`);
}

const bad = (why: string): EngineError => new EngineError("invalid", `invalid manifest: ${why}`);
