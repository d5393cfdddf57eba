import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OciDescriptor, OciPlatform } from "../../spec/oci/descriptor.ts";
import { ExitError } from "../exit-error.ts";

/** A member of a local list, as docker keeps it: a file of `manifests/<list>/<member>`. */
export interface StoredManifest {
  /** `docker.io/library/busybox:latest` */
  readonly Ref: string;
  readonly Descriptor: OciDescriptor;
  /** base64 of the manifest's bytes. */
  readonly Raw: string;
  readonly SchemaV2Manifest?: unknown;
  readonly OCIManifest?: unknown;
}

/** Names are made of references that were parsed, so that none leaves the folder. */
const fileName = (reference: string): string => reference.replaceAll(":", "-").replaceAll("/", "_");

/** Lists that wait to be pushed, in docker's form and place. */
export class ManifestLists {
  readonly #root: string;

  constructor(configDir: string) {
    this.#root = join(configDir, "manifests");
  }

  has(list: string): boolean {
    return existsSync(this.#folder(list));
  }

  /** The members, in the order of their names. Throws docker's text when there is no such list. */
  members(list: string): StoredManifest[] {
    if (!this.has(list)) throw new ExitError(1, `No such manifest: ${list}`);
    const folder = this.#folder(list);
    return readdirSync(folder)
      .filter((name) => !name.startsWith("."))
      .sort()
      .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as StoredManifest);
  }

  member(list: string, reference: string): StoredManifest | undefined {
    const path = join(this.#folder(list), fileName(reference));
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as StoredManifest) : undefined;
  }

  write(list: string, manifest: StoredManifest): void {
    const folder = this.#folder(list);
    mkdirSync(folder, { recursive: true });
    const draft = join(folder, `.draft.${process.pid}`);
    writeFileSync(draft, JSON.stringify(manifest));
    renameSync(draft, join(folder, fileName(manifest.Ref)));
  }

  remove(list: string): void {
    rmSync(this.#folder(list), { recursive: true, force: true });
  }

  #folder(list: string): string {
    return join(this.#root, fileName(list));
  }
}

/** The fields of docker's platforms in its order, so that lists have docker's digests. */
function platformJson(platform: OciPlatform | undefined): OciPlatform {
  const { architecture = "", os = "", variant } = platform ?? {};
  const version = platform?.["os.version"];
  const features = platform?.["os.features"] ?? [];
  return {
    architecture,
    os,
    ...(version ? { "os.version": version } : {}),
    ...(features.length > 0 ? { "os.features": features } : {}),
    ...(variant ? { variant } : {}),
  };
}

const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
const ociIndex = "application/vnd.oci.image.index.v1+json";

/** The list as bytes to push: docker's form to the byte, an OCI index where a member is an OCI manifest. */
export function listDocument(members: readonly StoredManifest[]): { mediaType: string; text: string } {
  const mediaType = members.some(({ Descriptor }) => Descriptor.mediaType.includes(".oci.")) ? ociIndex : dockerList;
  const manifests = members.map(({ Descriptor }) => ({
    mediaType: Descriptor.mediaType,
    size: Descriptor.size,
    digest: Descriptor.digest,
    platform: platformJson(Descriptor.platform),
  }));
  return { mediaType, text: JSON.stringify({ schemaVersion: 2, mediaType, manifests }, null, 3) };
}
