import type { Caller } from "../spec/caller.ts";
import type { BookedImage } from "./books/image-book.ts";
import type { ImageDeps } from "./deps.ts";

/** moby parity: an image's event carries its labels and, as `name`, the reference or id it is about. */
export function tell(
  deps: Pick<ImageDeps, "events">,
  action: string,
  image: BookedImage,
  name: string,
  caller: Caller,
): void {
  deps.events.publish({
    type: "image",
    action,
    id: action === "pull" || action === "push" ? name : image.id,
    attributes: { ...image.config.config?.Labels, name },
    caller,
  });
}
