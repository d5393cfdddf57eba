import type { Image } from "../images/image.ts";
import { nowNs } from "../base/clock.ts";
import type { ApiDeps } from "./deps.ts";
import { any, type Filters, flag, labelsMatch } from "./filters.ts";
import { readTimestamp } from "./timestamp.ts";

export const imageFilterKeys = ["before", "dangling", "label", "label!", "reference", "since", "until"] as const;

/** The images that pass, newest first; a `reference` filter leaves only the names that it matches (moby parity). */
export function filterImages(deps: ApiDeps, filters: Filters): Image[] {
  const dangling = flag(filters, "dangling");
  const before = (filters.get("before") ?? []).map((reference) => createdNs(deps.images.resolve(reference)));
  const since = (filters.get("since") ?? []).map((reference) => createdNs(deps.images.resolve(reference)));
  const untilNs = readTimestamp("until", filters.get("until")?.[0], nowNs());
  const references = (filters.get("reference") ?? []).map(glob);
  const named = (name: string): boolean => references.some((matches) => matches(name));
  return deps.images
    .list()
    .filter(
      (image) =>
        (dangling === undefined || dangling === (image.references.length === 0 && image.variantOf.length === 0)) &&
        labelsMatch(filters, image.config.config?.Labels ?? {}) &&
        before.every((time) => createdNs(image) < time) &&
        since.every((time) => createdNs(image) > time) &&
        (untilNs === 0n || createdNs(image) < untilNs) &&
        // an image that was pulled by digest has no tag
        any(filters, "reference", () => image.references.some(named) || image.digests.some(named)),
    )
    .sort((a, b) => Number(createdNs(b) - createdNs(a)))
    .map((image) => (references.length === 0 ? image : { ...image, references: image.references.filter(named) }));
}

/** When the image was made; the epoch for one that does not say (reproducible builds). */
function createdNs(image: Image): bigint {
  const text = image.config.created ?? "";
  const seconds = Math.floor((Date.parse(text) || 0) / 1000);
  const fraction = /\.(\d{1,9})/.exec(text)?.[1] ?? "";
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
}

/** Go's path.Match against the whole reference, the name alone, and the name without its leading folders. */
function glob(text: string): (reference: string) => boolean {
  const source = text
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replaceAll("*", "[^/]*")
    .replaceAll("?", "[^/]");
  let expression: RegExp;
  try {
    expression = new RegExp(`^${source}$`);
  } catch {
    return (reference) => reference === text; // an unclosed [ is no pattern
  }
  return (reference) => {
    const name = reference.replace(/:[^/]*$/, "").replace(/@.*$/, "");
    return expression.test(reference) || expression.test(name);
  };
}
