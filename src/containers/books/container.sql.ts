import type { Database } from "bun:sqlite";
import type { Migration } from "../../store/migration.ts";
import type { Container } from "../container.ts";

/** The container's table: what never changes after create in `fixed`, what does in `state`. */
export const containerMigrations: readonly Migration[] = [
  {
    id: "containers/1-table",
    up: (db) => {
      db.run(
        "CREATE TABLE containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, fixed TEXT NOT NULL, state TEXT NOT NULL) STRICT",
      );
    },
  },
];

/** `full` survives a power cut; `process` survives the death of this process, which costs no flush to disk. */
export type Durability = "full" | "process";

/** Statements over the container's table. Each is one commit. */
export class ContainerTable {
  readonly #db: Database;
  readonly #insert;
  readonly #state;
  readonly #row;
  readonly #delete;
  readonly #all;

  constructor(db: Database) {
    this.#db = db;
    this.#insert = db.prepare<null, [string, string, string, string]>(
      "INSERT INTO containers (id, name, fixed, state) VALUES (?, ?, ?, ?)",
    );
    this.#state = db.prepare<null, [string, string]>("UPDATE containers SET state = ? WHERE id = ?");
    this.#row = db.prepare<null, [string, string, string, string]>(
      "UPDATE containers SET name = ?, fixed = ?, state = ? WHERE id = ?",
    );
    this.#delete = db.prepare<null, [string]>("DELETE FROM containers WHERE id = ?");
    this.#all = db.prepare<{ fixed: string; state: string }, []>("SELECT fixed, state FROM containers");
  }

  insert(container: Container): void {
    this.#insert.run(container.id, container.name, encodeFixed(container), encode(container.state));
  }

  writeState(container: Container, durability: Durability): void {
    this.#with(durability, () => this.#state.run(encode(container.state), container.id));
  }

  write(container: Container): void {
    this.#row.run(container.name, encodeFixed(container), encode(container.state), container.id);
  }

  delete(id: string, durability: Durability): void {
    this.#with(durability, () => this.#delete.run(id));
  }

  #with(durability: Durability, write: () => void): void {
    if (durability === "full") return write();
    this.#db.run("PRAGMA synchronous = NORMAL");
    try {
      write();
    } finally {
      this.#db.run("PRAGMA synchronous = FULL");
    }
  }

  all(): Container[] {
    return this.#all.all().map(({ fixed, state }) => ({
      ...(decode(fixed) as Omit<Container, "state" | "execIds">),
      state: decode(state) as Container["state"],
      execIds: [],
    }));
  }
}

function encodeFixed(container: Container): string {
  const { state: _state, execIds: _execIds, ...fixed } = container;
  return encode(fixed);
}

/** JSON with bigint as `{"$ns": "123"}`. */
const encode = (value: unknown): string =>
  JSON.stringify(value, (_key, member: unknown) => (typeof member === "bigint" ? { $ns: member.toString() } : member));

const decode = (text: string): unknown =>
  JSON.parse(text, (_key, member: unknown) =>
    member !== null && typeof member === "object" && "$ns" in member && typeof member.$ns === "string"
      ? BigInt(member.$ns)
      : member,
  );
