import type { Database } from "bun:sqlite";
import { EngineError } from "../../base/errors.ts";
import { isPattern, matcher } from "../pattern.ts";
import { Refusal } from "../refusal.ts";

export interface ImmutableTags {
  readonly id: number;
  readonly repositories: string;
  readonly tags: string;
}

/** Tags that, once pushed, are neither moved nor removed. */
export class Immutability {
  readonly #db: Database;
  #rules: { repositories: (name: string) => boolean; tags: (name: string) => boolean }[] | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  list(): ImmutableTags[] {
    return this.#db
      .query<ImmutableTags, []>("SELECT id, repositories, tags FROM immutable_tags ORDER BY repositories, tags")
      .all();
  }

  /** Throws `invalid` for what is no pattern. */
  add(repositories: string, tags: string): void {
    for (const pattern of [repositories, tags])
      if (!isPattern(pattern)) throw new EngineError("invalid", `${JSON.stringify(pattern)} is no pattern`);
    this.#db.query("INSERT OR IGNORE INTO immutable_tags (repositories, tags) VALUES (?, ?)").run(repositories, tags);
    this.#rules = undefined;
  }

  remove(id: number): boolean {
    this.#rules = undefined;
    return this.#db.query("DELETE FROM immutable_tags WHERE id = ?").run(id).changes > 0;
  }

  covers(repository: string, tag: string): boolean {
    this.#rules ??= this.list().map((rule) => ({
      repositories: matcher(rule.repositories),
      tags: matcher(rule.tags),
    }));
    return this.#rules.some((rule) => rule.repositories(repository) && rule.tags(tag));
  }

  /** Throws DENIED for a tag that may not change. */
  check(repository: string, tag: string): void {
    if (this.covers(repository, tag))
      throw new Refusal("DENIED", `tag ${tag} of ${repository} is immutable`, { detail: { tag } });
  }
}
