import { nowNs } from "../../base/clock.ts";
import type { EngineEvent } from "../../events/bus.ts";
import type { EventLog } from "../../events/log.ts";
import { Reply } from "../route.ts";
import { eventLine } from "../views/event-json.ts";

/** Events that a client may lag behind by before it is cut off. */
const maxPending = 10_000;

/** RFC 7464 and x-ndjson on request; plain JSON objects else (engine-api.md 1.9). */
export function eventStyle(accept: string | undefined): { type: string; before: string } {
  if (accept?.includes("application/json-seq")) return { type: "application/json-seq", before: "\u001e" };
  if (accept?.includes("application/x-ndjson")) return { type: "application/x-ndjson", before: "" };
  if (accept?.includes("application/jsonl")) return { type: "application/jsonl", before: "" };
  return { type: "application/json", before: "" };
}

/** Kept events from `sinceNs` on where that is asked for, then live ones until `untilNs` or the client goes. */
export function eventsReply(options: {
  events: EventLog;
  passes: (event: EngineEvent) => boolean;
  replay: boolean;
  sinceNs: bigint;
  untilNs: bigint;
  accept: string | undefined;
  signal: AbortSignal;
}): Reply {
  const { events, passes, replay, sinceNs, untilNs, accept, signal } = options;
  const style = eventStyle(accept);
  return new Reply(async (exchange) => {
    const pending: EngineEvent[] = [];
    let wake: (() => void) | undefined;
    let overrun = false;
    // Subscribed before the history is read: nothing falls between the two, and sequences tell doubles
    const stop = events.subscribe((event) => {
      if (!passes(event)) return;
      if (pending.length >= maxPending) overrun = true;
      else pending.push(event);
      wake?.();
    });
    const timer =
      untilNs > 0n
        ? setTimeout(() => wake?.(), Math.max(1, Math.min(2 ** 31 - 1, Number((untilNs - nowNs()) / 1_000_000n) + 1)))
        : undefined;
    const onAbort = (): void => wake?.();
    signal.addEventListener("abort", onAbort);
    try {
      exchange.begin(200, { "Content-Type": style.type });
      let last = -1;
      if (replay) {
        const kept = events
          .history(sinceNs)
          .filter((event) => passes(event) && (untilNs === 0n || event.timeNs <= untilNs));
        last = kept.at(-1)?.sequence ?? -1;
        if (kept.length > 0) await exchange.write(kept.map((event) => `${style.before}${eventLine(event)}\n`).join(""));
      }
      while (!signal.aborted && !overrun && (untilNs === 0n || nowNs() < untilNs)) {
        const batch = pending
          .splice(0)
          .filter((event) => event.sequence > last && (untilNs === 0n || event.timeNs <= untilNs));
        if (batch.length > 0) {
          if (!(await exchange.write(batch.map((event) => `${style.before}${eventLine(event)}\n`).join("")))) break;
          continue;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (signal.aborted || pending.length > 0) resolve();
        });
        wake = undefined;
      }
      if (overrun) exchange.cut();
      else exchange.end();
    } finally {
      stop();
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  });
}
