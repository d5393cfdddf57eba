import type { EngineEvent, EventSink } from "./bus.ts";

/** Events as faces use them. */
export interface EventLog extends EventSink {
  /** Live events from now on; returns the unsubscribe. The listener must not throw. */
  subscribe(listener: (event: EngineEvent) => void): () => void;
  /** Kept events with sinceNs <= time, oldest first (persistent over restarts, bounded). */
  history(sinceNs: bigint): readonly EngineEvent[];
  readonly listeners: number;
}
