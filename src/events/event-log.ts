import type { Database } from "bun:sqlite";
import { nowNs } from "../base/clock.ts";
import { migrate } from "../store/migrate.ts";
import type { EngineEvent, EventInput } from "./bus.ts";
import { eventMigrations } from "./event.sql.ts";
import type { EventLog } from "./log.ts";

/** Events of one data root, kept on disk. */
export interface OpenEventLog extends EventLog, Disposable {
  /** Writes what waits. The database stays the opener's. */
  close(): void;
}

/**
 * The event log over a database of its own (`normal` durability is enough). An event reaches subscribers at once and
 * the disk in the same turn of the event loop, in one transaction with others of that turn. The newest `keep` stay.
 * After an unclean end the sequence jumps, so that a number that a client has seen never names another event.
 */
export function openEventLog({
  db,
  keep = 10_000,
  unclean = false,
  failed,
}: {
  db: Database;
  keep?: number;
  unclean?: boolean;
  failed?: (error: unknown) => void;
}): OpenEventLog {
  migrate(db, eventMigrations);
  const insert = db.query<unknown, [number, bigint, string]>(
    "INSERT INTO events (sequence, time_ns, event) VALUES (?, ?, ?)",
  );
  // by their number and not by sequence, which has gaps
  const trim = db.query<unknown, [number]>(
    "DELETE FROM events WHERE sequence IN (SELECT sequence FROM events ORDER BY sequence LIMIT ?)",
  );
  const since = db.query<{ sequence: number; time_ns: string; event: string }, [bigint]>(
    "SELECT sequence, CAST(time_ns AS TEXT) AS time_ns, event FROM events WHERE time_ns >= ? ORDER BY sequence",
  );
  const newest = db.query<{ n: number | null }, []>("SELECT max(sequence) AS n FROM events").get()?.n ?? 0;
  let sequence = newest + (unclean ? lostAtMost : 0);
  let count = db.query<{ n: number }, []>("SELECT count(*) AS n FROM events").get()?.n ?? 0;
  let pending: EngineEvent[] = [];
  let scheduled = false;
  const listeners = new Set<(event: EngineEvent) => void>();

  const write = db.transaction((events: readonly EngineEvent[]) => {
    for (const { sequence: number, timeNs, type, action, id, attributes, caller } of events) {
      insert.run(number, timeNs, JSON.stringify({ type, action, id, attributes, caller }));
    }
    if (count + events.length > keep) trim.run(count + events.length - keep);
  });
  function flush(): void {
    scheduled = false;
    if (pending.length === 0) return;
    const events = pending;
    pending = [];
    try {
      write(events);
      count = Math.min(keep, count + events.length);
    } catch (error) {
      failed?.(error); // a full disk loses history, it does not stop the engine
    }
  }

  return {
    publish(input) {
      const event: EngineEvent = { ...input, sequence: ++sequence, timeNs: nowNs() };
      pending.push(event);
      if (!scheduled) {
        scheduled = true;
        setImmediate(flush);
      }
      for (const listener of listeners) {
        try {
          listener(event);
        } catch (error) {
          failed?.(error); // one face's fault is not the publisher's
        }
      }
    },
    subscribe(listener) {
      const own = (event: EngineEvent): void => listener(event);
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    history(sinceNs) {
      flush();
      return since.all(sinceNs).map((row) => ({
        ...(JSON.parse(row.event) as EventInput),
        sequence: row.sequence,
        timeNs: BigInt(row.time_ns),
      }));
    },
    get listeners() {
      return listeners.size;
    },
    close: flush,
    [Symbol.dispose]: flush,
  };
}

/** More events than one turn of the event loop publishes: what a kill can lose. */
const lostAtMost = 10_000;
