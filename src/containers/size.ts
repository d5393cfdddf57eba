import type { ContainerDeps } from "./deps.ts";

/** Bytes that the container wrote over its image, and both together. */
export async function containerSize(
  deps: ContainerDeps,
  ref: string,
): Promise<{ writableBytes: number; rootfsBytes: number }> {
  const container = deps.records.get(ref);
  const { bytes } = await deps.snapshotter.usage(container.id);
  const image = deps.images.list().find(({ id }) => id === container.imageId);
  return { writableBytes: bytes, rootfsBytes: bytes + (image?.sizeBytes ?? 0) };
}
