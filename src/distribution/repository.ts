import { EngineError } from "../base/errors.ts";
import type { OciDescriptor } from "../spec/oci/descriptor.ts";
import { familiarName, familiarReference, type Reference } from "../spec/reference.ts";
import { checkDigest, isDigest } from "./transfer/digest.ts";
import { cancelled } from "./transfer/cancelled.ts";
import { downloadBlob } from "./transfer/download.ts";
import type { Endpoint } from "./endpoints.ts";
import { facts, isServersFault, plain } from "./http/failure.ts";
import type { Gate } from "./transfer/gate.ts";
import { pages } from "./listing.ts";
import { getManifest, headManifest, pullScope, putManifest, type RawManifest } from "./manifests.ts";
import { addReferrer, asReferrer, listReferrers } from "./referrers.ts";
import type { Cancel, Repository } from "./registries.ts";
import { retrying, type RetryPolicy } from "./transfer/retry.ts";
import { hasBlob, uploadBlob } from "./transfer/upload.ts";

export interface RepositoryOptions {
  readonly name: Pick<Reference, "domain" | "path">;
  /** The registry itself. */
  readonly origin: () => Promise<Endpoint>;
  readonly mirrors: readonly Endpoint[];
  readonly policy: RetryPolicy;
  readonly downloads: Gate;
  readonly uploads: Gate;
}

/** A blob that takes no place among the downloads. */
const smallBytes = 256 * 1024;
const tagPattern = /^\w[\w.-]{0,127}$/;

/** A repository over its registry and the mirrors of it. */
export function openRepository(options: RepositoryOptions): Repository {
  const { name, origin, mirrors, policy, downloads, uploads } = options;

  /** Mirrors that are well, the registry, and mirrors that failed lately. */
  const endpoints = async (): Promise<Endpoint[]> => [
    ...mirrors.filter(({ server }) => !server.rests),
    await origin(),
    ...mirrors.filter(({ server }) => server.rests),
  ];

  const read = async <T>(
    reference: string,
    signal: AbortSignal | undefined,
    work: (endpoint: Endpoint) => Promise<T>,
  ): Promise<T> => {
    let failure: unknown;
    for (const endpoint of await endpoints()) {
      try {
        if (!endpoint.isMirror) return await retrying(() => work(endpoint), policy, signal);
        // after the registry has spoken only its silence is a reason to ask a mirror
        if (failure === undefined || facts(failure).transient === true) return await work(endpoint);
      } catch (error) {
        if (signal?.aborted) throw cancelled();
        if (!endpoint.isMirror) failure = error;
        else if (isServersFault(error)) endpoint.server.rest();
      }
    }
    throw readFailure(failure, name, reference);
  };

  return {
    name: `${name.domain}/${name.path}`,

    resolve: (reference, { signal } = {}) =>
      read(reference, signal, async (endpoint) => {
        const ask: Cancel = signal ? { signal } : {};
        return (
          (await headManifest(endpoint, reference, ask)) ?? (await getManifest(endpoint, reference, ask)).descriptor
        );
      }),

    manifest: (reference, { signal } = {}): Promise<RawManifest> =>
      read(reference, signal, (endpoint) => getManifest(endpoint, reference, signal ? { signal } : {})),

    async *blob(descriptor, { signal, offsetBytes = 0, restarted } = {}) {
      // configurations do not queue behind layers
      using _ = descriptor.size > smallBytes ? await downloads.enter(signal) : undefined;
      yield* downloadBlob({ descriptor, endpoints: await endpoints(), policy, offsetBytes, restarted, signal });
    },

    async has(digest, { signal } = {}) {
      const endpoint = await origin();
      return retrying(() => hasBlob(endpoint, digest, { signal }), policy, signal);
    },

    async pushBlob(descriptor, open, { signal, from = [], sent = () => {}, mounted = () => {} } = {}) {
      using _ = await uploads.enter(signal);
      return uploadBlob({ descriptor, open, endpoint: await origin(), from, sent, mounted, policy, signal });
    },

    async pushManifest(reference, document, { signal } = {}): Promise<OciDescriptor> {
      const endpoint = await origin();
      const ask: Cancel = signal ? { signal } : {};
      const insisting = { ...policy, insist: true };
      const written = await retrying(() => putManifest(endpoint, reference, document, ask), insisting, signal);
      const referrer = asReferrer(document, written.descriptor);
      if (referrer !== undefined && written.subject === undefined)
        await addReferrer(endpoint, referrer.descriptor, { ...ask, subject: referrer.subject });
      return written.descriptor;
    },

    async referrers(digest, { signal } = {}) {
      checkDigest(digest);
      const endpoint = await origin();
      return retrying(() => listReferrers(endpoint, digest, signal ? { signal } : {}), policy, signal);
    },

    async *tags({ signal } = {}) {
      const { server, path } = await origin();
      const list = { at: `${path}/tags/list`, scopes: [pullScope(path)], member: "tags", policy };
      try {
        for await (const page of pages(server, { ...list, ...(signal && { signal }) }))
          for (const tag of page) yield checkTag(tag);
      } catch (error) {
        throw readFailure(error, name, "");
      }
    },
  };
}

function checkTag(tag: unknown): string {
  if (typeof tag === "string" && tagPattern.test(tag)) return tag;
  const shown = JSON.stringify(tag).slice(0, 200);
  throw new EngineError("invalid", `the registry lists a tag that is none: ${shown}`);
}

/** A failed read in the words of moby's pull, on which clients match. */
function readFailure(error: unknown, name: Pick<Reference, "domain" | "path">, reference: string): unknown {
  if (!(error instanceof EngineError)) return error;
  const { code = "", status = 0 } = facts(error);
  const whole = familiarReference(
    isDigest(reference)
      ? { ...name, tag: undefined, digest: reference }
      : { ...name, tag: reference, digest: undefined },
  );
  const text = (prefix: string): EngineError =>
    new EngineError("not-found", `${prefix}: ${plain(error.message)}`, { ...error.detail }, { cause: error });
  if (code === "MANIFEST_UNKNOWN") return text(`manifest for ${whole} not found`);
  if (code === "NAME_UNKNOWN") return text(`repository ${familiarName(name)} not found`);
  if (code === "DENIED")
    return text(
      `pull access denied for ${familiarName(name)}, repository does not exist or may require 'docker login'`,
    );
  if (status === 404)
    return new EngineError("not-found", `manifest for ${whole} not found: ${error.message}`, { ...error.detail });
  return error;
}
