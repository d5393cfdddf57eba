import type { ApiDeps } from "../deps.ts";
import { containersByImage, imageName } from "../image-use.ts";
import { containerSummary } from "./container-list.ts";
import { imageSummary } from "./image-json.ts";
import { buildCacheJson } from "./build-cache-json.ts";
import { volumeJson } from "./volume-json.ts";

export const diskUsageTypes: readonly string[] = ["container", "image", "volume", "build-cache"];

/** GET /system/df as API < 1.52 has it: a part that is not asked for is null. */
export async function diskUsageJson(deps: ApiDeps, types: ReadonlySet<string>) {
  const counts = containersByImage(deps);
  const now = Date.now();
  const unique = deps.images.uniqueBytes();
  const containers = types.has("container")
    ? await Promise.all(
        deps.containers.list().map(async (container) => {
          const { writableBytes, rootfsBytes } = await deps.containers.size(container.id);
          return {
            ...containerSummary(container, imageName(deps, container), now),
            SizeRw: writableBytes,
            SizeRootFs: rootfsBytes,
          };
        }),
      )
    : null;
  const volumes = types.has("volume")
    ? await Promise.all(
        deps.volumes.list().map(async (volume) =>
          volumeJson(volume, {
            bytes: await deps.volumes.usage(volume.name),
            references: deps.volumes.users(volume.name).length,
          }),
        ),
      )
    : null;
  return {
    LayersSize: types.has("image") ? await deps.images.diskBytes() : 0,
    Images: types.has("image")
      ? deps.images.list().map((image) =>
          imageSummary(image, {
            containers: counts.get(image.id) ?? 0,
            sharedBytes: image.sizeBytes - (unique.get(image.id) ?? 0),
          }),
        )
      : null,
    Containers: containers,
    Volumes: volumes,
    BuildCache: types.has("build-cache") ? deps.builder.cacheUsage().map(buildCacheJson) : null,
  };
}
