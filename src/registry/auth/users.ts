import type { Database } from "bun:sqlite";
import { open, readFile, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { KeyedLock } from "../../base/keyed-lock.ts";
import type { Logger } from "../../base/log.ts";

/** 2^10 rounds, what OWASP asks for: 60 ms on this machine. */
const bcryptCost = 10;
/** bcrypt reads no more bytes: longer passwords would be equal where they are not. */
const maxPasswordBytes = 72;
const minPasswordLength = 8;
const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9._@-]{0,63}$/;

/**
 * Users and their bcrypt hashes in a file as Apache's htpasswd writes it (`htpasswd -B`). A file that somebody else
 * changed is read again at the next login.
 */
export class Users {
  readonly #path: string;
  readonly #log: Logger;
  readonly #db: Database;
  readonly #lock = new KeyedLock();
  #hashes = new Map<string, string>();
  #stamp = "";
  /** Raised at each change: what was verified before counts no more. */
  generation = 0;

  constructor(path: string, options: { db: Database; log: Logger }) {
    this.#path = path;
    this.#db = options.db;
    this.#log = options.log;
  }

  get count(): number {
    return this.#hashes.size;
  }

  /** Reads the file where it changed. A missing one holds nobody. */
  async refresh(): Promise<void> {
    const found = await stat(this.#path, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      return undefined;
    });
    const stamp = found === undefined ? "none" : `${found.mtimeNs} ${found.size} ${found.ino}`;
    if (stamp === this.#stamp) return;
    const text = found === undefined ? "" : await readFile(this.#path, "utf8");
    const hashes = new Map<string, string>();
    for (const [index, line] of text.split("\n").entries()) {
      const colon = line.indexOf(":");
      if (line.trim() === "" || line.startsWith("#") || colon < 1) continue;
      const hash = line.slice(colon + 1).trim();
      if (/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/.test(hash)) hashes.set(line.slice(0, colon), hash);
      else this.#log.warn("a line of the password file holds no bcrypt hash", { file: this.#path, line: index + 1 });
    }
    this.#hashes = hashes;
    this.#stamp = stamp;
    this.generation += 1;
  }

  /** Takes as long for users that are not there as for those that are. */
  async verify(name: string, password: string): Promise<boolean> {
    await this.refresh();
    const hash = this.#hashes.get(name);
    const short = Buffer.byteLength(password) <= maxPasswordBytes;
    const right = await Bun.password.verify(short ? password : "too long", hash ?? nobody);
    return right && short && hash !== undefined;
  }

  has(name: string): boolean {
    return this.#hashes.has(name);
  }

  list(): { name: string; admin: boolean }[] {
    return [...this.#hashes.keys()].sort().map((name) => ({ name, admin: this.isAdmin(name) }));
  }

  isAdmin(name: string): boolean {
    return this.#db.query("SELECT 1 FROM admins WHERE name = ?").get(name) !== null;
  }

  setAdmin(name: string, admin: boolean): void {
    if (admin) this.#db.query("INSERT OR IGNORE INTO admins (name) VALUES (?)").run(name);
    else this.#db.query("DELETE FROM admins WHERE name = ?").run(name);
  }

  /** Makes a user, or gives one a new password. Throws `invalid` for names and passwords that cannot be. */
  async set(name: string, password: string): Promise<void> {
    if (!namePattern.test(name))
      throw new EngineError("invalid", `invalid user name ${JSON.stringify(name)}: letters, digits, . _ @ and - only`);
    if (password.length < minPasswordLength)
      throw new EngineError("invalid", `a password has at least ${minPasswordLength} characters`);
    if (Buffer.byteLength(password) > maxPasswordBytes)
      throw new EngineError("invalid", `a password has at most ${maxPasswordBytes} bytes: bcrypt reads no more`);
    const hash = await Bun.password.hash(password, { algorithm: "bcrypt", cost: bcryptCost });
    await this.#change((hashes) => hashes.set(name, hash));
  }

  /** Throws `not-found`. */
  async remove(name: string): Promise<void> {
    await this.refresh();
    if (!this.#hashes.has(name)) throw new EngineError("not-found", `there is no user ${name}`);
    await this.#change((hashes) => hashes.delete(name));
    this.setAdmin(name, false);
  }

  async #change(edit: (hashes: Map<string, string>) => void): Promise<void> {
    using _ = await this.#lock.acquire("file", { timeoutMs: 10_000, what: "the password file" });
    await this.refresh();
    const hashes = new Map(this.#hashes);
    edit(hashes);
    const next = `${this.#path}.new`;
    {
      await using file = await open(next, "w", 0o600);
      await file.writeFile([...hashes].map(([name, hash]) => `${name}:${hash}\n`).join(""));
      await file.sync();
    }
    await rename(next, this.#path);
    await using folder = await open(dirname(this.#path), "r");
    await folder.sync();
    this.#stamp = "";
    await this.refresh();
  }
}

/** The hash of a random text that nobody kept, of the same cost. */
const nobody = "$2b$10$byvLrt.VFkPbnxYCK0Y6Juj1QCYxA1YE7dtiJkSFcVPER0rynzF3u";
