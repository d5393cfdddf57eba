import type { ImageDeps } from "./deps.ts";
import type { ManifestView } from "./images.ts";

/** The entries of a reference's index, or its only manifest; none for an image that never travelled. */
export function manifests(deps: ImageDeps, reference: string): ManifestView[] {
  const image = deps.book.resolve(reference);
  const { documents } = deps.book;
  const target = deps.book.targetOf(reference);
  const own = documents.manifestsOf(image.id)[0];
  const entries =
    target === "" ? (own ? [{ descriptor: own.descriptor, stored: own }] : []) : documents.entries(target);
  return entries.map(({ descriptor, stored }) => {
    const entry = stored && deps.book.get(stored.imageId);
    const isAttestation = descriptor.annotations?.["vnd.docker.reference.type"] === "attestation-manifest";
    const isUnknown = descriptor.platform?.os === "unknown" || descriptor.artifactType !== undefined;
    return {
      descriptor: {
        ...descriptor,
        ...(descriptor.platform === undefined &&
          entry && {
            platform: {
              os: entry.config.os,
              architecture: entry.config.architecture,
              ...(entry.config.variant !== undefined && { variant: entry.config.variant }),
            },
          }),
      },
      kind: isAttestation ? "attestation" : isUnknown ? "unknown" : "image",
      ...(entry && { image: entry }),
      contentBytes:
        stored?.document.kind === "manifest"
          ? stored.document.value.layers.reduce(
              (sum, { digest }) => sum + (deps.content.has(digest) ? deps.content.sizeBytes(digest) : 0),
              stored.descriptor.size + stored.document.value.config.size,
            )
          : 0,
    };
  });
}
