import { EngineError } from "../../base/errors.ts";
import { placeManifest } from "../../distribution/place-manifest.ts";
import { digestOf, isDigest } from "../../distribution/transfer/digest.ts";
import type { Cancel, Credentials, Repository, SearchHit } from "../../distribution/registries.ts";
import type { OciDescriptor } from "../../spec/oci/descriptor.ts";
import { maxManifestBytes, readDocument } from "../../spec/oci/manifest.ts";
import { parseReference, type Reference, withDefaultTag } from "../../spec/reference.ts";
import type { ApiDeps } from "../deps.ts";
import { type Filters, flag, readFilters } from "../filters.ts";
import { readRegistryAuth } from "../registry-auth.ts";
import { Reply, type Routes, shaped } from "../route.ts";
import { registryError } from "../views/registry-error.ts";

/** More than any image's configuration has. */
const maxConfigBytes = 8 * 1024 * 1024;
const bodyTimeoutMs = 60_000;

export const distributionRoutes = {
  DistributionInspect: {
    can: "image:pull",
    async handle({ deps, params, exchange, signal }) {
      const { repository, tagOrDigest } = at(
        deps,
        params.name,
        readRegistryAuth(exchange.head.headers.get("x-registry-auth")),
      );
      return registryError(async () => {
        const { descriptor, bytes } = await repository.manifest(tagOrDigest, { signal });
        const document = readDocument(bytes, descriptor.mediaType);
        const platforms =
          document.kind === "index"
            ? document.value.manifests.map(({ platform }) => platform).filter((platform) => platform !== undefined)
            : [await platformOf(repository, document.value.config, { signal })];
        return shaped({ Descriptor: { ...descriptor, mediaType: document.mediaType }, Platforms: platforms });
      });
    },
  },

  ImageSearch: {
    can: "image:search",
    async handle({ deps, query, exchange, signal }) {
      const filters = readFilters(query.filters, ["is-automated", "is-official", "stars"]);
      const keep = searchFilter(filters);
      const hits = await registryError(() =>
        deps.registries.search(query.term ?? "", {
          limit: query.limit ?? 0,
          credentials: readRegistryAuth(exchange.head.headers.get("x-registry-auth")),
          signal,
        }),
      );
      return shaped(
        hits.filter(keep).map(({ name, description, stars, official, automated }) => ({
          star_count: stars,
          is_official: official,
          name,
          is_automated: automated,
          description,
        })),
      );
    },
  },

  ManifestGet: {
    can: "image:pull",
    async handle({ deps, params, exchange, signal }) {
      const { repository, tagOrDigest } = at(
        deps,
        params.name,
        readRegistryAuth(exchange.head.headers.get("x-registry-auth")),
      );
      const { descriptor, bytes } = await registryError(() => repository.manifest(tagOrDigest, { signal }));
      const { mediaType } = readDocument(bytes, descriptor.mediaType);
      return new Reply((reply) =>
        reply.send(200, { "Content-Type": mediaType, "Docker-Content-Digest": descriptor.digest }, bytes),
      );
    },
  },

  ManifestPut: {
    can: "image:push",
    async handle({ deps, params, query, exchange, signal }) {
      const bytes = await exchange.body.readAll({ maxBytes: maxManifestBytes, timeoutMs: bodyTimeoutMs });
      const mediaType = (exchange.head.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
      const credentials = readRegistryAuth(exchange.head.headers.get("x-registry-auth"));
      const { repository, tagOrDigest, domain } = at(deps, params.name, credentials);
      if (isDigest(tagOrDigest) && digestOf(bytes, tagOrDigest) !== tagOrDigest)
        throw new EngineError(
          "invalid",
          `the manifest's digest is ${digestOf(bytes, tagOrDigest)}, not ${tagOrDigest}`,
        );
      const sources = (query.from ?? []).map((name) => {
        const source = parseReference(name);
        if (source.domain !== domain)
          throw new EngineError(
            "invalid",
            `${name} is not at ${domain}: only content of the same registry can be used`,
          );
        return deps.registries.repository(source, { credentials });
      });
      const {
        mediaType: written,
        digest,
        size,
      } = await registryError(() =>
        placeManifest(repository, { reference: tagOrDigest, document: { mediaType, bytes }, sources }, { signal }),
      );
      return { mediaType: written, digest, size };
    },
  },
} satisfies Partial<Routes>;

/** moby's filters of a search, with its texts. */
function searchFilter(filters: Filters): (hit: SearchHit) => boolean {
  const official = flag(filters, "is-official");
  const automated = flag(filters, "is-automated");
  const stars = (filters.get("stars") ?? []).map((text) => {
    if (!/^\d+$/.test(text)) throw new EngineError("invalid", `invalid filter 'stars=${text}'`);
    return Number(text);
  });
  const least = Math.max(0, ...stars);
  return (hit) =>
    hit.stars >= least &&
    (official === undefined || hit.official === official) &&
    (automated === undefined || hit.automated === automated);
}

function at(
  { registries }: ApiDeps,
  name: string,
  credentials: Credentials,
): { repository: Repository; tagOrDigest: string; domain: string } {
  const reference: Reference = withDefaultTag(parseReference(name));
  return {
    repository: registries.repository(reference, { credentials }),
    tagOrDigest: reference.digest ?? reference.tag ?? "latest",
    domain: reference.domain,
  };
}

/** The platform that an image's configuration names, in docker's order. */
async function platformOf(repository: Repository, config: OciDescriptor, options: Cancel): Promise<object> {
  if (config.size > maxConfigBytes)
    throw new EngineError("invalid", `the image's configuration is longer than ${maxConfigBytes} bytes`);
  const pieces: Uint8Array[] = [];
  const restarted = (): void => void (pieces.length = 0);
  for await (const piece of repository.blob(config, { ...options, restarted })) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  if (digestOf(bytes, config.digest) !== config.digest)
    throw new EngineError("invalid", `the image's configuration is not ${config.digest}`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new EngineError("invalid", "the image's configuration is not JSON");
  }
  const members = (value ?? {}) as Record<string, unknown>;
  return Object.fromEntries(
    ["architecture", "os", "os.version", "os.features", "variant"]
      .filter((name) => members[name] !== undefined)
      .map((name) => [name, members[name]]),
  );
}
