import { EngineError } from "../base/errors.ts";
import type { Image } from "../images/image.ts";
import type { Images } from "../images/images.ts";
import type { OciRunConfig } from "../spec/oci/image.ts";
import type { CommitRequest } from "./containers.ts";
import type { ContainerDeps } from "./deps.ts";
import { publish } from "./events.ts";
import { pauseContainer, unpauseContainer } from "./stop/pause.ts";

/** Makes an image of what the container changed over its own. It stands still meanwhile unless `pause` is off. */
export async function commitContainer(
  deps: ContainerDeps & { images: Images },
  ref: string,
  request: CommitRequest,
): Promise<Image> {
  const container = deps.records.get(ref);
  const { id, state } = container;
  if (state.status === "removing" || state.status === "dead")
    throw new EngineError("conflict", `You cannot commit container ${id} which is ${state.status}`, { id });
  const pauses = request.pause && state.status === "running";
  if (pauses) await pauseContainer(deps, id, request.caller);
  try {
    const image = await deps.images.commit({
      caller: request.caller,
      ...(request.signal && { signal: request.signal }),
      parent: container.imageId,
      diff: deps.snapshotter.diffTar(id),
      repository: request.repository,
      tag: request.tag,
      comment: request.comment,
      author: request.author,
      // The container's own configuration holds the image's, merged at create.
      config: { ...container.request.config, ...request.config } as OciRunConfig,
      changes: request.changes,
      containerId: id,
      command: container.plan.process.args.join(" "),
    });
    publish(deps.events, container, "commit", request.caller, {
      comment: request.comment,
      imageID: image.id,
      imageRef: request.repository ? `${request.repository}:${request.tag || "latest"}` : "",
    });
    return image;
  } finally {
    // Killed meanwhile, or thawed by somebody else: the image is as good.
    if (pauses && deps.records.find(id)?.state.status === "paused") await unpauseContainer(deps, id, request.caller);
  }
}
