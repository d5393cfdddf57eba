import type { Caller } from "../spec/caller.ts";

/** The kinds of object that events are about. */
export type EventType = "container" | "image" | "network" | "volume" | "daemon" | "builder" | "plugin";

/** What a feature publishes. */
export interface EventInput {
  readonly type: EventType;
  /** Docker's action words, for example `create`, `die`, `exec_start: ls`. */
  readonly action: string;
  /** Id of the object; for a volume its name. */
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly caller: Caller;
}

/** An event as it is kept and streamed. `sequence` grows by one for each event of this data root. */
export interface EngineEvent extends EventInput {
  readonly sequence: number;
  readonly timeNs: bigint;
}

/** What a feature needs to tell the world. Publishing never throws and never waits. */
export interface EventSink {
  publish(event: EventInput): void;
}
