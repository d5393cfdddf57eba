import type { ManifestView } from "../../images/images.ts";

/** An entry of `Manifests` in GET /images/json and /images/{name}/json as API 1.48 has it. */
export function manifestJson(view: ManifestView, containerIds: (imageId: string) => readonly string[]) {
  const { descriptor, image } = view;
  const unpacked = image?.sizeBytes ?? 0;
  return {
    ID: descriptor.digest,
    Descriptor: descriptor,
    Available: image !== undefined,
    Kind: view.kind,
    Size: { Content: view.contentBytes, Total: view.contentBytes + unpacked },
    ...(view.kind === "image" && {
      ImageData: {
        Platform: descriptor.platform ?? { os: image?.config.os ?? "", architecture: image?.config.architecture ?? "" },
        Containers: image ? [...containerIds(image.id)] : [],
        Size: { Unpacked: unpacked },
      },
    }),
    ...(view.kind === "attestation" && {
      AttestationData: { For: descriptor.annotations?.["vnd.docker.reference.digest"] ?? "" },
    }),
  };
}
