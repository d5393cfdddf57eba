import type { EventSink } from "../events/bus.ts";
import type { Caller } from "../spec/caller.ts";
import type { Container } from "./container.ts";

/** Publishes a container event with Docker's attributes: labels, image and name first. */
export function publish(events: EventSink, container: Container, action: string, caller: Caller, more: Record<string, string> = {}): void {
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
  events.publish({ type: "container", action: "prune", id: "", attributes: { reclaimed: String(reclaimedBytes) }, caller });
}
