import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExitEvent } from "./protocol.ts";

/** Exit records: on disk before they are told, gone when the daemon has written them down. */
export class Exits {
  readonly #folder: string;
  readonly #records = new Map<string, ExitEvent>();

  constructor(execRoot: string) {
    this.#folder = join(execRoot, "monitor", "exits");
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#folder)) {
      try {
        const event = JSON.parse(readFileSync(join(this.#folder, name), "utf8")) as ExitEvent;
        this.#records.set(keyOf(event), event);
      } catch {
        rmSync(join(this.#folder, name), { force: true }); // torn: its writer died before it could tell anybody
      }
    }
  }

  add(event: ExitEvent): void {
    const key = keyOf(event);
    this.#records.set(key, event);
    const path = join(this.#folder, key);
    writeFileSync(`${path}.tmp`, JSON.stringify(event), { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
  }

  remove(id: string, run: number, execId?: string): void {
    const key = keyOf({ id, run, ...(execId === undefined ? {} : { execId }) });
    if (this.#records.delete(key)) rmSync(join(this.#folder, key), { force: true });
  }

  get(id: string, run: number, execId?: string): ExitEvent | undefined {
    return this.#records.get(keyOf({ id, run, ...(execId === undefined ? {} : { execId }) }));
  }

  all(): ExitEvent[] {
    return [...this.#records.values()];
  }

  get size(): number {
    return this.#records.size;
  }
}

const keyOf = (event: { id: string; run: number; execId?: string }): string =>
  event.execId === undefined ? `${event.id}.${event.run}` : `${event.id}.${event.run}.${event.execId}`;
