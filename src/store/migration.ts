import type { Database } from "bun:sqlite";

/** One step of a feature's tables. Steps of a feature run in the order of the list, each once per data root. */
export interface Migration {
  /** `<feature>/<number>-<what>`, unique for ever. */
  readonly id: string;
  readonly up: (db: Database) => void;
}
