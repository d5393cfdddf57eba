import type { Reference } from "../spec/reference.ts";
import type { ProxySettings } from "./http/proxies.ts";
import type { OciDescriptor } from "../spec/oci/descriptor.ts";

/** The registries of the world, with mirrors, certificates, proxies and limits as the daemon is set. */
export interface Registries {
  /** Nothing is asked yet. Without credentials the access is anonymous. */
  repository(name: Pick<Reference, "domain" | "path">, options?: { credentials?: Credentials }): Repository;
  /** Checks credentials. `unauthorized` when the registry refuses them. */
  login(
    address: string,
    credentials: Credentials,
    options?: Cancel,
  ): Promise<{ status: string; identityToken: string }>;
  /** Docker Hub's v1 search, or a registry's catalog where it has no search. */
  /** Those in force, for other downloads too: the daemon's environment has none any more. */
  readonly proxies: ProxySettings;
  search(term: string, options: Cancel & { limit: number; credentials?: Credentials }): Promise<readonly SearchHit[]>;
}

/** What a client sends in X-Registry-Auth, decoded. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  /** A refresh token of an earlier login. */
  readonly identityToken?: string;
  /** A bearer token that is used as it is. */
  readonly registryToken?: string;
}

export interface Cancel {
  readonly signal?: AbortSignal;
}

/**
 * One repository of one registry. Reading goes over the mirrors of the registry first; writing never does. Every
 * failure is an EngineError with Docker's texts where clients match on them: `unauthorized`, `not-found`,
 * `unavailable` (after the retries), `invalid` (the registry lies).
 */
export interface Repository {
  /** `docker.io/library/busybox` */
  readonly name: string;
  /** Where a tag or digest points to, without its content. */
  resolve(tagOrDigest: string, options?: Cancel): Promise<OciDescriptor>;
  /** A manifest or index: at most `maxManifestBytes`, its digest verified. Not yet read as a document. */
  manifest(tagOrDigest: string, options?: Cancel): Promise<{ descriptor: OciDescriptor; bytes: Uint8Array }>;
  /**
   * The bytes of a blob from `offsetBytes` on. Goes on by itself after a cut, a stall or on another mirror. The caller
   * verifies digest and size over the whole; `restarted` is told when what came so far was wrong (a mirror lied) and
   * the bytes that follow begin at 0 again. Holds one of the places for downloads until it ends.
   */
  blob(
    descriptor: OciDescriptor,
    options?: Cancel & { offsetBytes?: number; restarted?: () => void },
  ): AsyncIterable<Uint8Array>;
  has(digest: string, options?: Cancel): Promise<boolean>;
  /**
   * Uploads a blob unless it is there: mounted from a repository of the same registry in `from`, else in chunks, from
   * where an interrupted upload ended. `open` gives the bytes from an offset on; it may be called again. `sent` is told
   * how much of the whole was given to the registry, which may become less after a cut.
   */
  pushBlob(
    descriptor: OciDescriptor,
    open: (offsetBytes: number) => AsyncIterable<Uint8Array>,
    options?: Cancel & {
      /** Paths: `library/busybox`. */
      from?: readonly string[];
      sent?: (bytes: number) => void;
      /** Told the path that gave the blob. */
      mounted?: (from: string) => void;
    },
  ): Promise<"uploaded" | "mounted" | "exists">;
  /** Points a tag (or, with a digest, nothing else) to a manifest or index; gives what the registry stored. */
  pushManifest(
    tagOrDigest: string,
    document: { mediaType: string; bytes: Uint8Array },
    options?: Cancel,
  ): Promise<OciDescriptor>;
  /** What names the manifest as its subject: signatures, bills of materials. */
  referrers(digest: string, options?: Cancel): Promise<OciDescriptor[]>;
  /** All tags, over as many pages as there are. */
  tags(options?: Cancel): AsyncIterable<string>;
}

export interface SearchHit {
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly official: boolean;
  readonly automated: boolean;
}
