import type { Database } from "bun:sqlite";
import type { KeyedLock } from "../base/keyed-lock.ts";
import type { Logger } from "../base/log.ts";
import type { Happening } from "./events/happening.ts";
import type { BlobDriver } from "./storage/driver.ts";

/** What every part of the registry works on. */
export interface Core {
  /** The books. Writing is one synchronous transaction each: nothing comes between its look and its change. */
  readonly db: Database;
  readonly driver: BlobDriver;
  /** By digest: who adopts or removes a blob's bytes holds it. */
  readonly locks: KeyedLock;
  readonly log: Logger;
  /** Tells webhooks, the audit log and the metrics. Never throws, never waits. */
  readonly tell: (happening: Happening) => void;
}

/** Longer than the slowest adoption of a blob. */
export const lockTimeoutMs = 120_000;
