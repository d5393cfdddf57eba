import type { Database } from "bun:sqlite";
import { isIndexType, isManifestType } from "../../spec/oci/descriptor.ts";
import type { OciIndex } from "../../spec/oci/manifest.ts";
import { Refusal } from "../refusal.ts";
import { manifestByDigest, type StoredManifest } from "./manifests.ts";

/**
 * What a client gets for a tag. One that takes manifests alone gets that of linux/amd64 for an index, as Docker's
 * registry does for old clients; one that names types, and not this one, is told so. Throws MANIFEST_UNKNOWN.
 */
export function choose(
  db: Database,
  options: { repository: string; tagged: StoredManifest; accept: string | null },
): StoredManifest {
  const { repository, tagged, accept } = options;
  if (accept === null || accept.includes("*/*") || accept.includes(tagged.mediaType)) return tagged;
  const types = accept.split(",").map((one) => one.split(";", 1)[0]?.trim() ?? "");
  // what names no manifest type at all (browsers, curl with application/json) asks for nothing special
  if (!types.some((type) => isIndexType(type) || isManifestType(type) || isArtifactType(type))) return tagged;
  if (isIndexType(tagged.mediaType)) {
    const child = linuxAmd64(tagged);
    const manifest = child === undefined ? undefined : manifestByDigest(db, repository, child);
    if (manifest !== undefined && types.includes(manifest.mediaType)) return manifest;
  }
  throw new Refusal("MANIFEST_UNKNOWN", `the manifest is ${tagged.mediaType}, which the accept header does not take`);
}

const isArtifactType = (type: string): boolean => /^application\/vnd\.(oci|docker)\..*manifest/.test(type);

function linuxAmd64({ bytes }: StoredManifest): string | undefined {
  const { manifests } = JSON.parse(new TextDecoder().decode(bytes)) as OciIndex;
  return manifests.find(({ platform }) => platform?.os === "linux" && platform.architecture === "amd64")?.digest;
}
