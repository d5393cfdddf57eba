import { EngineError } from "../../base/errors.ts";
import type { TrailStep } from "./build-cache.ts";

/** Results of steps as they travel: in a registry, a folder, or an image's own configuration. */
export interface CacheDocument {
  readonly version: 1;
  readonly results: readonly CacheDocumentResult[];
}

export interface CacheDocumentResult {
  readonly keys: readonly string[];
  /** All layers, lowest first. */
  readonly diffIds: readonly string[];
  readonly content: string;
  readonly trail: readonly TrailStep[];
  readonly description: string;
}

export const cacheConfigType = "application/vnd.berth.buildcache.config.v1+json";
/** Member of an image's configuration that holds its inline cache. */
export const inlineMember = "berth.buildcache.v1";
/** More than a build of thousands of steps needs. */
export const maxDocumentBytes = 32 * 1024 * 1024;

/** Reads a document of strangers. Throws `invalid`: the build goes on without it. */
export function readCacheDocument(text: string): CacheDocument {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new EngineError("invalid", "the build cache is no JSON");
  }
  if (typeof value !== "object" || value === null || !("version" in value) || value.version !== 1)
    throw new EngineError("invalid", "the build cache is of another version");
  if (!("results" in value) || !Array.isArray(value.results) || !value.results.every(isResult))
    throw new EngineError("invalid", "the build cache is broken");
  return value as CacheDocument;
}

function isResult(value: unknown): value is CacheDocumentResult {
  if (typeof value !== "object" || value === null) return false;
  const { keys, diffIds, content, trail, description } = value as Record<string, unknown>;
  return (
    isTexts(keys) &&
    isTexts(diffIds) &&
    diffIds.every((id) => /^sha256:[0-9a-f]{64}$/.test(id)) &&
    typeof content === "string" &&
    typeof description === "string" &&
    Array.isArray(trail) &&
    trail.every(
      (step: Record<string, unknown>) =>
        typeof step["createdMs"] === "number" &&
        typeof step["empty"] === "boolean" &&
        typeof step["content"] === "string",
    )
  );
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === "string");
