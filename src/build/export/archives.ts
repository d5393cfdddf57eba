import { sha256 } from "../../images/chain-id.ts";
import { tarEnd, tarHeader, tarPadding } from "../../snapshots/tree/tar-writer.ts";
import { mediaTypes } from "../../spec/oci/descriptor.ts";
import { familiarReference, parseReference, withDefaultTag } from "../../spec/reference.ts";
import type { Export } from "../build.ts";
import type { ExportContext } from "./export-context.ts";

type ArchiveTarget = Extract<Export, { readonly references: readonly string[]; write: unknown }>;

/** `docker load` reads it: manifest.json, the configuration, and each layer as a plain tar. Gives no digest. */
export async function writeDockerArchive(context: ExportContext, target: ArchiveTarget): Promise<string> {
  const out = new ArchiveWriter(target, context.config.created);
  const layers: string[] = [];
  for (const { chainId, diffId } of context.solved.layers) {
    const name = `blobs/sha256/${diffId.slice(7)}`;
    if (!layers.includes(name))
      await out.stream(name, context.layers.size(chainId).tarBytes, context.layers.tar(chainId));
    layers.push(name);
  }
  const config = `blobs/${sha256(context.configBytes).replace(":", "/")}`;
  await out.file(config, context.configBytes);
  await out.file(
    "manifest.json",
    Buffer.from(JSON.stringify([{ Config: config, RepoTags: names(target), Layers: layers }])),
  );
  await out.end();
  return "";
}

/** An OCI layout with layers as plain tars: the same inputs give the same bytes. Gives the manifest's digest. */
export async function writeOciLayout(context: ExportContext, target: ArchiveTarget): Promise<string> {
  const out = new ArchiveWriter(target, context.config.created);
  await out.file("oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
  const layers: { mediaType: string; digest: string; size: number }[] = [];
  for (const { chainId, diffId } of context.solved.layers) {
    const size = context.layers.size(chainId).tarBytes;
    if (!layers.some(({ digest }) => digest === diffId))
      await out.stream(`blobs/sha256/${diffId.slice(7)}`, size, context.layers.tar(chainId));
    layers.push({ mediaType: "application/vnd.oci.image.layer.v1.tar", digest: diffId, size });
  }
  const { configBytes, config } = context;
  await out.file(`blobs/sha256/${sha256(configBytes).slice(7)}`, configBytes);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: sha256(configBytes),
        size: configBytes.length,
      },
      layers,
    }),
  );
  const digest = sha256(manifest);
  await out.file(`blobs/sha256/${digest.slice(7)}`, manifest);
  const platform = { architecture: config.architecture, os: config.os };
  const descriptor = { mediaType: mediaTypes.ociManifest, digest, size: manifest.length };
  const tagged = names(target).map((name) => ({
    ...descriptor,
    annotations: {
      "io.containerd.image.name": name,
      "org.opencontainers.image.ref.name": name.slice(name.lastIndexOf(":") + 1),
    },
    platform,
  }));
  const index = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: tagged.length > 0 ? tagged : [{ ...descriptor, platform }],
  };
  await out.file("index.json", Buffer.from(JSON.stringify(index)));
  await out.end();
  return digest;
}

const names = (target: ArchiveTarget): string[] =>
  target.references.map((name) => familiarReference(withDefaultTag(parseReference(name))));

/** Members with the image's own time, so that two machines write the same archive. */
class ArchiveWriter {
  readonly #target: ArchiveTarget;
  readonly #mtimeSeconds: number;

  constructor(target: ArchiveTarget, created: string | undefined) {
    this.#target = target;
    this.#mtimeSeconds = Math.max(0, Math.floor((Date.parse(created ?? "") || 0) / 1000));
  }

  async file(name: string, bytes: Buffer): Promise<void> {
    await this.stream(name, bytes.length, [bytes]);
  }

  async stream(name: string, sizeBytes: number, source: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> {
    await this.#target.write(
      tarHeader({ name, type: "file", mode: 0o644, uid: 0, gid: 0, sizeBytes, mtimeSeconds: this.#mtimeSeconds }),
    );
    for await (const bytes of source) await this.#target.write(bytes);
    if (sizeBytes % 512 !== 0) await this.#target.write(tarPadding(sizeBytes));
  }

  async end(): Promise<void> {
    await this.#target.write(tarEnd);
  }
}
