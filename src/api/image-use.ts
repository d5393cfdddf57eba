import type { Container } from "../containers/container.ts";
import type { InUse } from "../images/images.ts";
import type { ApiDeps } from "./deps.ts";
import { isUp } from "./views/network-settings.ts";

/** Which containers need an image, for its removal. */
export const imageUse =
  (deps: Pick<ApiDeps, "containers">): InUse =>
  (imageId) =>
    deps.containers
      .list()
      .filter((container) => container.imageId === imageId)
      .map((container) => ({ id: container.id, running: isUp(container), imageReference: container.imageReference }));

/** How many containers were made from each image. */
export function containersByImage(deps: Pick<ApiDeps, "containers">): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { imageId } of deps.containers.list()) counts.set(imageId, (counts.get(imageId) ?? 0) + 1);
  return counts;
}

/** Ids of the containers that were made from an image. */
export function containerIds(deps: Pick<ApiDeps, "containers">): (imageId: string) => readonly string[] {
  const byImage = Map.groupBy(deps.containers.list(), ({ imageId }) => imageId);
  return (imageId) => (byImage.get(imageId) ?? []).map(({ id }) => id);
}

/** The reference it was made from, or the id once that reference is another image's. */
export function imageName(deps: Pick<ApiDeps, "images">, container: Container): string {
  try {
    return deps.images.resolve(container.imageReference).id === container.imageId
      ? container.imageReference
      : container.imageId;
  } catch {
    return container.imageId; // the reference is gone
  }
}
