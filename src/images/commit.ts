import type { Readable } from "node:stream";
import { nowNs, rfc3339 } from "../base/clock.ts";
import { fault } from "../base/fault.ts";
import type { Caller } from "../spec/caller.ts";
import type { OciImageConfig, OciRunConfig } from "../spec/oci/image.ts";
import { applyChanges } from "./change-lines.ts";
import { chainIds } from "./chain-id.ts";
import { hold, type ImageDeps } from "./deps.ts";
import { tell } from "./events.ts";
import type { Image } from "./image.ts";
import { targetReference } from "./tag.ts";

export interface CommitOptions {
  readonly parent: string;
  readonly diff: Readable;
  readonly repository: string;
  readonly tag: string;
  readonly comment: string;
  readonly author: string;
  readonly config: OciRunConfig;
  readonly changes: readonly string[];
  readonly containerId: string;
  /** What the container ran, for the history. */
  readonly command: string;
  readonly caller: Caller;
  readonly signal?: AbortSignal;
}

/** Digest of an archive without members: such a layer is left out and its step marked empty. */
const emptyTar = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/** Makes an image of a container's changes over the image it was made from. */
export async function commit(deps: ImageDeps, options: CommitOptions): Promise<Image> {
  const reference = targetReference(
    options.repository,
    options.tag,
    "refusing to create a tag with a digest reference",
  );
  const parent = deps.book.resolve(options.parent);
  const config = applyChanges(options.config, options.changes);
  using _parentHeld = hold(deps, parent.chainIds);
  await using layer = await deps.layers.stage(options.diff, {
    parent: parent.chainIds.at(-1),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  const empty = layer.applied.diffId === emptyTar;
  const diffIds = empty ? parent.config.rootfs.diff_ids : [...parent.config.rootfs.diff_ids, layer.applied.diffId];
  const chain = chainIds(diffIds);
  using _held = hold(deps, chain);
  if (!empty) await layer.commit(chain.at(-1) ?? "");
  fault("image.load.after-blob");
  const created = rfc3339(nowNs());
  const step = {
    created,
    created_by: options.command,
    ...(options.author ? { author: options.author } : {}),
    ...(options.comment ? { comment: options.comment } : {}),
    ...(empty ? { empty_layer: true } : {}),
  };
  const { architecture, os, variant } = parent.config;
  const image: OciImageConfig = {
    architecture,
    ...(variant ? { variant } : {}),
    os,
    ...(options.author ? { author: options.author } : {}),
    ...(options.comment ? { comment: options.comment } : {}),
    created,
    container: options.containerId,
    config,
    history: [...(parent.config.history ?? []), step],
    rootfs: { type: "layers", diff_ids: diffIds },
  };
  const sizeBytes = parent.sizeBytes + (empty ? 0 : layer.applied.sizeBytes);
  const booked = deps.book.add({
    configBytes: Buffer.from(JSON.stringify(image)),
    sizeBytes,
    parent: parent.id,
    references: reference === "" ? [] : [reference],
  });
  fault("image.load.after-row");
  if (reference !== "") tell(deps, "tag", booked, reference, options.caller);
  return booked;
}
