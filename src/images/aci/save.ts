import { Readable } from "node:stream";
import { EngineError } from "../../base/errors.ts";
import { tarHeader, tarPadding } from "../../snapshots/tree/tar-writer.ts";
import { treeTar } from "../../snapshots/tree/tree-tar.ts";
import type { Caller } from "../../spec/caller.ts";
import { parseReference, type Reference, withDefaultTag } from "../../spec/reference.ts";
import { hold, type ImageDeps } from "../deps.ts";
import { tell } from "../events.ts";
import { aciManifest } from "./convert.ts";
import { workFolder } from "./work-folder.ts";

/** One image as an App Container Image: a manifest, and all its layers flattened to one root file system. */
export function saveAci(
  deps: ImageDeps,
  name: string,
  options: { platform?: string; caller: Caller; signal?: AbortSignal },
): Readable {
  const image = deps.book.resolve(name, { platform: options.platform ?? "" });
  const missing = image.chainIds.find((chainId) => !deps.layers.has(chainId));
  if (missing !== undefined) throw new EngineError("internal", `layer ${missing} of ${name} is not here`);
  const manifest = Buffer.from(JSON.stringify(aciManifest(image, nameOf(deps, name))));
  const held = hold(deps, image.chainIds);
  const stream = Readable.from(archive(deps, image.chainIds, manifest, options.signal), {
    objectMode: false,
    highWaterMark: 1024 * 1024,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  stream.once("close", () => held[Symbol.dispose]());
  tell(deps, "save", image, image.id, options.caller);
  return stream;
}

/** The reference by which it was asked for; an id is none. */
function nameOf(deps: ImageDeps, name: string): Reference | undefined {
  try {
    const reference = withDefaultTag(parseReference(name));
    return deps.book.targetOf(name) !== "" || deps.book.pointed(name) || deps.book.pointed(`${name}:latest`)
      ? reference
      : undefined;
  } catch {
    return undefined;
  }
}

async function* archive(
  deps: ImageDeps,
  chain: readonly string[],
  manifest: Buffer,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const owner = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0 };
  yield tarHeader({ name: "manifest", type: "file", ...owner, sizeBytes: manifest.length });
  yield manifest;
  yield tarPadding(manifest.length);
  await using work = await workFolder(deps.workFolder, deps.layers);
  let root = work.view;
  if (chain.length > 0) await deps.layers.view(chain, work.view);
  else root = work.path; // no layers: an empty root file system
  const tar = treeTar(root, { whiteouts: "none", withRoot: true, prefix: "rootfs/", ...(signal && { signal }) });
  yield* tar as AsyncIterable<Buffer>;
}
