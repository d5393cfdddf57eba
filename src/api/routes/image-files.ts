import type { Readable } from "node:stream";
import { EngineError } from "../../base/errors.ts";
import { chainIds } from "../../images/chain-id.ts";
import { readPlatform } from "../platform.ts";
import { type Reply, type Routes, streamReply } from "../route.ts";
import { progressReply } from "../streams/progress.ts";

const tarReply = async (source: Promise<Readable>): Promise<Reply> =>
  streamReply(await source, { "Content-Type": "application/x-tar" });

/** Images as files: archives out and in. */
export const imageFileRoutes = {
  ImageGet: {
    can: "image:save",
    handle: ({ deps, params, query, minor, caller, signal }) =>
      tarReply(deps.images.save([params.name], { caller, signal, platforms: readPlatforms(query.platform, minor) })),
  },

  ImageGetAll: {
    can: "image:save",
    handle({ deps, query, minor, caller, signal }) {
      const names = (query.names ?? []).filter((name) => name !== "");
      if (names.length === 0) throw new EngineError("invalid", "no image names were given");
      const platforms = readPlatforms(query.platform, minor);
      return tarReply(deps.images.save(names, { caller, signal, platforms }));
    },
  },

  ImageSavePart: {
    can: "image:save",
    handle({ deps, body, caller, signal }) {
      const platforms = (body.Platforms ?? []).map(readPlatform);
      if (body.Names.length === 0) throw new EngineError("invalid", "no image names were given");
      const omit = new Set((body.Have ?? []).flatMap((diffIds) => chainIds(diffIds)));
      const onlyOci = body.OnlyOci ?? false;
      return tarReply(deps.images.save(body.Names, { caller, signal, platforms, omit, onlyOci }));
    },
  },

  ImageGetAci: {
    can: "image:save",
    handle: ({ deps, params, query, caller, signal }) =>
      tarReply(
        deps.images.saveAci(params.name, {
          caller,
          signal,
          ...(query.platform && { platform: readPlatform(query.platform) }),
        }),
      ),
  },

  ImageLoad: {
    can: "image:load",
    handle: ({ deps, query, minor, caller, signal, exchange }) =>
      progressReply(async ({ report, send }) => {
        const loaded = await deps.images.load(exchange.body.stream(), {
          caller,
          signal,
          quiet: query.quiet ?? true,
          platforms: readPlatforms(query.platform, minor),
          report,
        });
        for (const { image, reference } of loaded)
          send({ stream: reference === "" ? `Loaded image ID: ${image.id}\n` : `Loaded image: ${reference}\n` });
      }),
  },
} satisfies Partial<Routes>;

/** Since API 1.48. */
const readPlatforms = (texts: readonly string[] | null | undefined, minor: number): string[] =>
  minor < 48 ? [] : (texts ?? []).filter((text) => text !== "").map(readPlatform);
