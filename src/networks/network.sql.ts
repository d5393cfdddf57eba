import type { Database } from "bun:sqlite";
import type { Migration } from "../store/migration.ts";
import type { KnownNetwork } from "./driver.ts";
import type { SandboxRow } from "./sandbox/sandbox-row.ts";

export const networkMigrations: readonly Migration[] = [
  {
    id: "networks/1-networks",
    up: (db) => {
      db.run("CREATE TABLE networks (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, body TEXT NOT NULL) STRICT");
      db.run("CREATE TABLE network_sandboxes (container_id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT");
    },
  },
];

/** Rows of networks and of sandboxes (with their addresses and ports), written before the kernel is touched. */
export class NetworkStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  networks(): KnownNetwork[] {
    const rows = this.#db.query<{ body: string }, []>("SELECT body FROM networks ORDER BY rowid").all();
    return rows.map(({ body }) => {
      const { createdAtNs, ...rest } = JSON.parse(body) as Omit<KnownNetwork, "createdAtNs"> & { createdAtNs: string };
      return { ...rest, createdAtNs: BigInt(createdAtNs) };
    });
  }

  putNetwork(network: KnownNetwork): void {
    const body = JSON.stringify({ ...network, createdAtNs: String(network.createdAtNs) });
    this.#db
      .query("INSERT OR REPLACE INTO networks (id, name, body) VALUES (?, ?, ?)")
      .run(network.id, network.name, body);
  }

  deleteNetwork(id: string): void {
    this.#db.query("DELETE FROM networks WHERE id = ?").run(id);
  }

  sandboxes(): SandboxRow[] {
    const rows = this.#db.query<{ body: string }, []>("SELECT body FROM network_sandboxes").all();
    return rows.map(({ body }) => JSON.parse(body) as SandboxRow);
  }

  putSandbox(row: SandboxRow): void {
    this.#fleeting(() =>
      this.#db
        .query("INSERT OR REPLACE INTO network_sandboxes (container_id, body) VALUES (?, ?)")
        .run(row.containerId, JSON.stringify(row)),
    );
  }

  deleteSandbox(containerId: string): void {
    this.#fleeting(() => this.#db.query("DELETE FROM network_sandboxes WHERE container_id = ?").run(containerId));
  }

  /**
   * A write that must survive the process, not the machine: namespaces do not outlive a power cut either. Without the
   * flush to disk (WAL with synchronous=NORMAL) it takes some 20 microseconds instead of a millisecond.
   */
  #fleeting(write: () => void): void {
    const full = this.#db.query<{ synchronous: number }, []>("PRAGMA synchronous").get()?.synchronous ?? 2;
    this.#db.run("PRAGMA synchronous = NORMAL");
    try {
      write();
    } finally {
      this.#db.run(`PRAGMA synchronous = ${full}`);
    }
  }
}
