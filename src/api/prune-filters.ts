import { nowNs } from "../base/clock.ts";
import type { Container } from "../containers/container.ts";
import type { Image } from "../images/image.ts";
import type { Network } from "../networks/network.ts";
import type { ApiDeps } from "./deps.ts";
import { flag, labelsMatch, readFilters } from "./filters.ts";
import { readTimestamp } from "./timestamp.ts";

// What a prune's filters keep. The prune and the look before it read them alike.

export function keptImages(text: string | null | undefined): (image: Image) => boolean {
  const filters = readFilters(text, ["dangling", "label", "label!", "until"]);
  const danglingOnly = flag(filters, "dangling") ?? true;
  const untilNs = readTimestamp("until", filters.get("until")?.[0], nowNs());
  return (image) =>
    (danglingOnly && (image.references.length > 0 || image.variantOf.length > 0)) ||
    !labelsMatch(filters, image.config.config?.Labels ?? {}) ||
    (untilNs !== 0n && BigInt(Date.parse(image.config.created ?? "") || 0) * 1_000_000n > untilNs);
}

export function keptContainers(text: string | null | undefined): (container: Container) => boolean {
  const filters = readFilters(text, ["label", "label!", "until"]);
  const untilNs = readTimestamp("until", filters.get("until")?.[0], nowNs());
  return (container) =>
    !labelsMatch(filters, container.plan.labels) || (untilNs !== 0n && container.createdAtNs > untilNs);
}

export function keptNetworks(deps: ApiDeps, text: string | null | undefined): (network: Network) => boolean {
  const filters = readFilters(text, ["label", "label!", "until"]);
  const untilNs = readTimestamp("until", filters.get("until")?.[0], nowNs());
  const used = new Set(
    deps.containers
      .list()
      .flatMap((container) => container.plan.network.attachments.map((attachment) => attachment.network)),
  );
  return (network) =>
    used.has(network.name) ||
    used.has(network.id) ||
    !labelsMatch(filters, network.labels) ||
    (untilNs !== 0n && network.createdAtNs > untilNs);
}
