import { EngineError } from "../../base/errors.ts";
import type { ContainerConfig } from "../../spec/engine/types.gen.ts";
import { parseReference } from "../../spec/reference.ts";
import { readFilters } from "../filters.ts";
import { filterImages, imageFilterKeys } from "../image-filters.ts";
import { containerIds, containersByImage, imageUse } from "../image-use.ts";
import { readPlatform } from "../platform.ts";
import { keptImages } from "../prune-filters.ts";
import { readRegistryAuth } from "../registry-auth.ts";
import { type Routes, shaped } from "../route.ts";
import { progressReply } from "../streams/progress.ts";
import { imageJson, imageSummary } from "../views/image-json.ts";
import { manifestJson } from "../views/manifest-json.ts";
import { pullError } from "../views/registry-error.ts";

export const imageRoutes = {
  ImageList: {
    can: "image:list",
    handle({ deps, query, minor }) {
      const filters = readFilters(query.filters, imageFilterKeys);
      const counts = containersByImage(deps);
      const unique = query["shared-size"] === true ? deps.images.uniqueBytes() : undefined;
      const ids = containerIds(deps);
      return shaped(
        filterImages(deps, filters)
          // other platforms of a tag stand under the tag's own image
          .filter((image) => query.all === true || image.references.length > 0 || image.variantOf.length === 0)
          .map((image) => ({
            ...imageSummary(image, {
              containers: counts.get(image.id) ?? 0,
              sharedBytes: unique ? image.sizeBytes - (unique.get(image.id) ?? 0) : -1,
            }),
            ...(query.manifests === true &&
              minor >= 47 && {
                Manifests: deps.images
                  .manifests(image.references[0] ?? image.id)
                  .map((view) => manifestJson(view, ids)),
              }),
          })),
      );
    },
  },

  ImageInspect: {
    can: "image:read",
    handle({ deps, params, query, minor }) {
      const platform = query.platform === undefined || minor < 49 ? "" : readPlatform(query.platform);
      const withManifests = query.manifests === true && minor >= 48;
      if (platform !== "" && withManifests)
        throw new EngineError("invalid", "conflicting options: manifests and platform options cannot both be set"); // moby parity
      return shaped({
        ...imageJson(deps.images.resolve(params.name, { platform }), deps.system),
        ...(withManifests && {
          Manifests: deps.images.manifests(params.name).map((view) => manifestJson(view, containerIds(deps))),
        }),
      });
    },
  },

  ImageHistory: {
    can: "image:read",
    handle: ({ deps, params, query, minor }) =>
      deps.images
        .history(params.name, {
          platform: query.platform === undefined || minor < 48 ? "" : readPlatform(query.platform),
        })
        .map((entry) => ({
          Id: entry.imageId === "" ? "<missing>" : entry.imageId,
          Created: Math.floor((Date.parse(entry.created ?? "") || 0) / 1000),
          CreatedBy: entry.created_by ?? "",
          Tags: entry.references.length > 0 ? [...entry.references] : (null as unknown as string[]), // null on the wire
          Size: entry.layerBytes,
          Comment: entry.comment ?? "",
        })),
  },

  ImageCreate: {
    can: "image:pull",
    handle({ deps, search, caller, signal, exchange }) {
      const source = search.get("fromSrc") ?? "";
      const platform = search.get("platform") ?? "";
      if (source !== "") {
        const changes = search.getAll("changes");
        return progressReply(async ({ report, send }) => {
          const image = await deps.images.import(source === "-" ? exchange.body.stream() : source, {
            caller,
            signal,
            changes,
            platform,
            report,
            repository: search.get("repo") ?? "",
            tag: search.get("tag") ?? "",
            message: search.get("message") ?? "",
          });
          send({ status: image.id });
        });
      }
      const from = search.get("fromImage") ?? "";
      if (from === "") throw new EngineError("invalid", "invalid reference format");
      const tag = search.get("tag") ?? "";
      const reference = tag === "" ? from : `${from}${tag.includes(":") ? "@" : ":"}${tag}`;
      const credentials = readRegistryAuth(exchange.head.headers.get("x-registry-auth"));
      const { tag: ownTag, digest } = parseReference(reference);
      // moby parity: a name alone means every tag of it; clients add `latest` themselves
      const allTags = ownTag === undefined && digest === undefined;
      return progressReply(
        async ({ report }) =>
          void (await pullError(() =>
            deps.images.pull(reference, { caller, signal, platform, credentials, allTags, report }),
          )),
      );
    },
  },

  ImagePush: {
    can: "image:push",
    handle: ({ deps, params, query, caller, signal, exchange }) =>
      progressReply(({ report }) =>
        deps.images.push(params.name, {
          caller,
          signal,
          report,
          tag: query.tag ?? "",
          platform: query.platform === undefined ? "" : readPlatform(query.platform),
          credentials: readRegistryAuth(exchange.head.headers.get("x-registry-auth")),
        }),
      ),
  },

  ImageTag: {
    can: "image:tag",
    async handle({ deps, params, query, caller }) {
      await deps.images.tag(params.name, { repository: query.repo ?? "", tag: query.tag ?? "" }, { caller });
    },
  },

  ImageDelete: {
    can: "image:remove",
    async handle({ deps, params, query, caller }) {
      const removed = await deps.images.remove(params.name, {
        caller,
        force: query.force ?? false,
        prune: !(query.noprune ?? false),
        platforms: (query.platforms ?? []).map(readPlatform),
        inUse: imageUse(deps),
      });
      return removed.map((item) => ("untagged" in item ? { Untagged: item.untagged } : { Deleted: item.deleted }));
    },
  },

  ImagePrune: {
    can: "image:prune",
    async handle({ deps, query, caller }) {
      const keep = keptImages(query.filters);
      const { removed, reclaimedBytes } = await deps.images.prune({ caller, keep, inUse: imageUse(deps) });
      const list = removed.map((item) =>
        "untagged" in item ? { Untagged: item.untagged } : { Deleted: item.deleted },
      );
      return shaped({ ImagesDeleted: list.length === 0 ? null : list, SpaceReclaimed: reclaimedBytes });
    },
  },

  ImageCommit: {
    can: "container:commit",
    async handle({ deps, query, body, search, caller, signal }) {
      const image = await deps.containers.commit(query.container ?? "", {
        caller,
        signal,
        pause: !search.has("pause") || (query.pause ?? true),
        repository: query.repo ?? "",
        tag: query.tag ?? "",
        comment: query.comment ?? "",
        author: query.author ?? "",
        config: body ? (withoutNulls(body) as ContainerConfig) : null,
        changes: search.getAll("changes"),
      });
      return { Id: image.id };
    },
  },

  ImageAttestations: {
    can: "image:read",
    handle({ deps, params }) {
      deps.images.resolve(params.name);
      throw new EngineError("not-implemented", "attestations of images are not available");
    },
  },
} satisfies Partial<Routes>;

const withoutNulls = (value: object): object =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null && item !== undefined));
