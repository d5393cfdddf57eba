import type { Image } from "../images/image.ts";
import { nowNs } from "../base/clock.ts";
import type { ApiDeps } from "./deps.ts";
import { any, type Filters, flag, labelsMatch } from "./filters.ts";
import { readTimestamp } from "./timestamp.ts";
import { createdSeconds } from "./views/image-json.ts";

export const imageFilterKeys = ["before", "dangling", "label", "label!", "reference", "since", "until"] as const;

/** The images that pass, newest first. */
export function filterImages(deps: ApiDeps, filters: Filters): Image[] {
  const dangling = flag(filters, "dangling");
  const before = (filters.get("before") ?? []).map((reference) => createdSeconds(deps.images.resolve(reference)));
  const since = (filters.get("since") ?? []).map((reference) => createdSeconds(deps.images.resolve(reference)));
  const untilNs = readTimestamp("until", filters.get("until")?.[0], nowNs());
  const references = (filters.get("reference") ?? []).map(glob);
  return deps.images
    .list()
    .filter(
      (image) =>
        (dangling === undefined || dangling === (image.references.length === 0)) &&
        labelsMatch(filters, image.config.config?.Labels ?? {}) &&
        before.every((time) => createdSeconds(image) < time) &&
        since.every((time) => createdSeconds(image) > time) &&
        (untilNs === 0n || BigInt(createdSeconds(image)) * 1_000_000_000n < untilNs) &&
        any(filters, "reference", () => image.references.some((name) => references.some((matches) => matches(name)))),
    )
    .sort((a, b) => createdSeconds(b) - createdSeconds(a));
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
