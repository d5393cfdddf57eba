import type { Readable } from "node:stream";
import { nowNs, rfc3339 } from "../base/clock.ts";
import { EngineError } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import { decompress } from "../content/decompress.ts";
import type { Caller } from "../spec/caller.ts";
import type { OciImageConfig } from "../spec/oci/image.ts";
import { applyChanges } from "./change-lines.ts";
import { hold, type ImageDeps } from "./deps.ts";
import { tell } from "./events.ts";
import type { Image } from "./image.ts";
import type { Report } from "./images.ts";
import { openAddress } from "./open-address.ts";
import { parsePlatform } from "./platform.ts";
import { targetReference } from "./tag.ts";

export interface ImportOptions {
  readonly repository: string;
  readonly tag: string;
  readonly message: string;
  readonly changes: readonly string[];
  readonly platform: string;
  readonly report: Report;
  readonly caller: Caller;
  readonly signal?: AbortSignal;
}

/** Makes an image of one layer from a root file system's tar. Everything that can be wrong with the request is said before the tar is read. */
export async function importImage(deps: ImageDeps, tar: Readable | string, options: ImportOptions): Promise<Image> {
  const reference = targetReference(options.repository, options.tag, "cannot import digest reference");
  const config = applyChanges({}, options.changes);
  const platform = parsePlatform(options.platform);
  const comment = options.message || `Imported from ${typeof tar === "string" ? tar : "-"}`;
  const source =
    typeof tar === "string" ? await openAddress(tar, { ...options, proxies: deps.registries.proxies }) : tar;
  await using layer = await deps.layers.stage(decompress(source), {
    parent: undefined,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  if (layer.applied.tarBytes < 1024) throw new EngineError("invalid", "the archive is empty");
  using _held = hold(deps, [layer.applied.diffId]);
  await layer.commit(layer.applied.diffId);
  fault("image.load.after-blob");
  const created = rfc3339(nowNs());
  const image: OciImageConfig = {
    architecture: platform.architecture,
    ...(platform.variant ? { variant: platform.variant } : {}),
    os: platform.os,
    created,
    comment,
    config,
    history: [{ created, comment }],
    rootfs: { type: "layers", diff_ids: [layer.applied.diffId] },
  };
  const booked = deps.book.add({
    configBytes: Buffer.from(JSON.stringify(image)),
    sizeBytes: layer.applied.sizeBytes,
    references: reference === "" ? [] : [reference],
  });
  fault("image.load.after-row");
  if (reference !== "") tell(deps, "tag", booked, reference, options.caller);
  tell(deps, "import", booked, booked.id, options.caller);
  return booked;
}
