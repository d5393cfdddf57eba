import type { EventSink } from "../events/bus.ts";
import type { Caller } from "../spec/caller.ts";
import type { Container } from "./container.ts";

/** Publishes a container event with Docker's attributes: labels, image and name first. */
export function publish(
  events: EventSink,
  container: Container,
  action: string,
  caller: Caller,
  more: Record<string, string> = {},
): void {
  events.publish({
    type: "container",
    action,
    id: container.id,
    attributes: { ...container.plan.labels, ...more, image: container.imageReference, name: container.name },
    caller,
  });
}

/** One event for a whole prune: only the bytes (moby parity). */
export function publishPrune(events: EventSink, reclaimedBytes: number, caller: Caller): void {
  events.publish({
    type: "container",
    action: "prune",
    id: "",
    attributes: { reclaimed: String(reclaimedBytes) },
    caller,
  });
}

/** `mount` at the start and `unmount` after the exit, for each volume of a container. */
export function publishVolumes(
  events: EventSink,
  container: Container,
  action: "mount" | "unmount",
  caller: Caller,
): void {
  for (const mount of container.plan.mounts) {
    if (mount.type !== "volume") continue;
    const use = { destination: mount.target, propagation: "", "read/write": String(!mount.readOnly) };
    events.publish({
      type: "volume",
      action,
      id: mount.volume,
      attributes: { container: container.id, driver: mount.driver || "local", ...(action === "mount" && use) },
      caller,
    });
  }
}
