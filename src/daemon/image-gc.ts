import { statfs } from "node:fs/promises";
import { errorMessage } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Containers } from "../containers/containers.ts";
import type { EventLog } from "../events/log.ts";
import type { Images, InUse } from "../images/images.ts";
import { readWaterMarks } from "../images/water-marks.ts";
import { engineCaller } from "../spec/caller.ts";

const periodMs = 5 * 60_000;
const soonMs = 2000; // after what brings images, once for several

/**
 * Removes images automatically where `image-gc` is set: every five minutes, and soon after something brought an image.
 * Disposing stops it, and waits for what it is at.
 */
export function startImageGc(options: {
  images: Images;
  containers: Pick<Containers, "list">;
  events: EventLog;
  dataRoot: string;
  setting: () => Readonly<Record<string, string>>;
  logger: Logger;
}): AsyncDisposable {
  const { images, containers, events, dataRoot, setting, logger } = options;
  const stop = new AbortController();
  let work: Promise<void> = Promise.resolve();
  let soon: Timer | undefined;
  const inUse: InUse = (imageId) =>
    containers
      .list()
      .filter((container) => container.imageId === imageId)
      .map((container) => ({ id: container.id, running: true, imageReference: container.imageReference }));

  const run = async (): Promise<void> => {
    const marks = readWaterMarks(setting());
    if (!marks || stop.signal.aborted) return;
    try {
      const { bsize, blocks, bavail } = await statfs(dataRoot);
      const disk = { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
      const { images: gone, reclaimedBytes } = await images.collect({
        ...{ marks, disk, inUse },
        caller: engineCaller,
        signal: stop.signal,
      });
      for (const { id, references } of gone) logger.info("image removed, unused for long", { id, references });
      if (gone.length > 0) logger.info("automatic removal of images", { images: gone.length, reclaimedBytes });
    } catch (error) {
      if (!stop.signal.aborted) logger.warn("automatic removal of images failed", { error: errorMessage(error) });
    }
  };
  const next = (): void => void (work = work.then(run));

  const timer = setInterval(next, periodMs);
  timer.unref();
  const unsubscribe = events.subscribe(({ type, action, attributes }) => {
    if (Object.keys(setting()).length === 0) return;
    if (type === "container" && (action === "create" || action === "start")) {
      const used = images.list().find(({ references }) => references.includes(attributes["image"] ?? ""));
      if (used) images.use(used.id);
    }
    if (type !== "image" || !["pull", "load", "import", "tag"].includes(action)) return;
    clearTimeout(soon);
    soon = setTimeout(next, soonMs);
    soon.unref();
  });
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      clearTimeout(soon);
      unsubscribe();
      stop.abort();
      await work;
    },
  };
}
