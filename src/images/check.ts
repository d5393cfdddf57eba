import { EngineError, errorMessage } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import { decompress } from "../content/decompress.ts";
import { hold, type ImageDeps } from "./deps.ts";
import type { BookedImage } from "./books/image-book.ts";
import type { CheckReport, Finding, InUse } from "./images.ts";
import { fetchLayer, openLayer, type TravelLayer, descriptorOf } from "./travel/layer-blobs.ts";
import { asError } from "./travel/settle.ts";

export interface CheckOptions {
  readonly repair: boolean;
  /** Only whether everything is there. */
  readonly quick: boolean;
  readonly inUse: InUse;
  readonly signal?: AbortSignal;
}

/** See `Images.check`. One part after the other: a check of a full disk must not slow what runs. */
export async function check(deps: ImageDeps, options: CheckOptions): Promise<CheckReport> {
  const blobs = await checkBlobs(deps, options);
  const layers = await checkLayers(deps, options);
  return {
    images: deps.book.list().length,
    layers: layers.count,
    blobs: blobs.count,
    findings: [...blobs.findings, ...layers.findings],
  };
}

async function checkBlobs(deps: ImageDeps, options: CheckOptions): Promise<{ count: number; findings: Finding[] }> {
  const findings: Finding[] = [];
  const blobs = deps.content.list();
  for (const { digest, sizeBytes } of blobs) {
    options.signal?.throwIfAborted();
    const known = deps.book.layers.get(digest);
    const problem =
      known && known.sizeBytes !== sizeBytes
        ? `it is ${sizeBytes} bytes long, not ${known.sizeBytes}`
        : !options.quick && !(await deps.content.isWhole(digest))
          ? "its bytes do not have its digest"
          : "";
    if (problem === "") continue;
    const images = known ? deps.book.list().filter(({ config }) => config.rootfs.diff_ids.includes(known.diffId)) : [];
    let repaired = "";
    if (options.repair) {
      deps.content.delete(digest);
      repaired = "dropped";
      if (known)
        repaired = await refetch(
          deps,
          { descriptor: descriptorOf(known), diffId: known.diffId, chainId: "" },
          options.signal,
        );
    }
    findings.push({
      kind: "blob",
      id: digest,
      problem,
      images: images.flatMap(({ references }) => references),
      repaired,
    });
  }
  return { count: blobs.length, findings };
}

async function refetch(deps: ImageDeps, layer: TravelLayer, signal?: AbortSignal): Promise<string> {
  try {
    await fetchLayer(deps, layer, signal);
    return "fetched again";
  } catch (error) {
    if (signal?.aborted) throw error;
    return `dropped; it will be fetched or made again when it is needed (${errorMessage(error)})`;
  }
}

async function checkLayers(deps: ImageDeps, options: CheckOptions): Promise<{ count: number; findings: Finding[] }> {
  const findings: Finding[] = [];
  const users = Map.groupBy(
    deps.book.list().flatMap((image) => image.chainIds.map((chainId) => ({ chainId, image }))),
    ({ chainId }) => chainId,
  );
  // parents before children: a layer is unpacked over the one below
  for (const [chainId, entries] of users) {
    options.signal?.throwIfAborted();
    const images = entries.map(({ image }) => image);
    const problem = !deps.layers.has(chainId)
      ? "it is not there"
      : options.quick || (await deps.layers.isWhole(chainId))
        ? ""
        : "its files are not those of its archive";
    if (problem === "") continue;
    const repaired = options.repair ? await repairLayer(deps, chainId, images, options) : "";
    findings.push({
      kind: "layer",
      id: chainId,
      problem,
      images: images.flatMap(({ references }) => references),
      repaired,
    });
  }
  for (const { key, chainIds } of deps.layers.incomplete())
    findings.push({
      kind: "container",
      id: key,
      problem: `it lies over layers that are not there: ${chainIds.join(", ")}`,
      images: [],
      repaired: "",
    });
  return { count: users.size, findings };
}

async function repairLayer(
  deps: ImageDeps,
  chainId: string,
  images: readonly BookedImage[],
  options: CheckOptions,
): Promise<string> {
  const running = images.flatMap(({ id }) => options.inUse(id)).find((user) => user.running);
  if (running && deps.layers.has(chainId)) return `not touched: container ${running.id.slice(0, 12)} runs over it`;
  const [image] = images;
  if (!image) return "";
  try {
    await remakeLayer(deps, image, chainId, options.signal);
    return "unpacked again";
  } catch (error) {
    if (options.signal?.aborted) throw error;
    return `not possible: ${errorMessage(error)}: pull or load ${image.references[0] ?? image.id} again`;
  }
}

/** Unpacks a layer of an image anew, from a kept blob or one that is fetched again. What is in its place goes. */
export async function remakeLayer(
  deps: ImageDeps,
  image: BookedImage,
  chainId: string,
  signal?: AbortSignal,
): Promise<void> {
  const index = image.chainIds.indexOf(chainId);
  const diffId = image.config.rootfs.diff_ids[index] ?? "";
  const parent = image.chainIds[index - 1];
  using _held = hold(deps, image.chainIds);
  const cancel = signal ? { signal } : {};
  let failure: unknown = new EngineError("not-found", "no blob of it is kept or known anywhere");
  // what manifests say is tried too: the content is compared
  const said = deps.book.documents
    .manifestsOf(image.id)
    .flatMap(({ document }) => (document.kind === "manifest" ? (document.value.layers[index] ?? []) : []));
  const offers = new Map(
    [...deps.book.layers.ofDiffId(diffId).map(descriptorOf), ...said].map((one) => [one.digest, one]),
  );
  for (const descriptor of offers.values()) {
    try {
      const bytes = openLayer(deps, { descriptor, diffId, chainId: "" }, cancel);
      await using staged = await deps.layers.stage(decompress(bytes), cancel);
      if (staged.applied.diffId !== diffId) throw new EngineError("invalid", `${descriptor.digest} is damaged, too`);
      deps.layers.discardLayer(chainId);
      fault("image.check.after-discard");
      await staged.commit(chainId, { parent });
      return;
    } catch (error) {
      if (signal?.aborted) throw error;
      failure = error;
    }
  }
  throw asError(failure);
}

/** Brings back what a crash or a full disk took from images; what cannot be had is named. */
export async function heal(deps: ImageDeps, log: (text: string) => void, signal: AbortSignal): Promise<void> {
  for (const image of deps.book.list()) {
    for (const chainId of image.chainIds) {
      if (signal.aborted) return;
      if (deps.layers.has(chainId)) continue;
      const name = image.references[0] ?? image.id;
      try {
        await remakeLayer(deps, image, chainId, signal);
        log(`layer ${chainId} of image ${name} was missing and is unpacked again`);
      } catch (error) {
        if (signal.aborted) return;
        log(`layer ${chainId} of image ${name} is missing: ${errorMessage(error)}: pull or load the image again`);
      }
    }
  }
}
