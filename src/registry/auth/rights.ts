import type { Database } from "bun:sqlite";
import { matcher } from "../pattern.ts";
import { type RepositoryAction, repositoryActions } from "./caller.ts";

/** Which repositories, and what may be done to them. */
export interface Grant {
  readonly pattern: string;
  readonly actions: readonly RepositoryAction[];
}

export type Rights = (action: RepositoryAction, repository: string) => boolean;

/** `pull,push` as a list, `*` for all; undefined for anything else. */
export function parseActions(text: string): RepositoryAction[] | undefined {
  if (text === "*") return [...repositoryActions];
  const words = text.split(",").filter(Boolean);
  const found = repositoryActions.filter((action) => words.includes(action));
  return found.length === new Set(words).size && found.length > 0 ? found : undefined;
}

export function rightsOf(grants: readonly Grant[]): Rights {
  const compiled = grants.map(({ pattern, actions }) => ({ matches: matcher(pattern), actions }));
  return (action, repository) =>
    compiled.some(({ actions, matches }) => actions.includes(action) && matches(repository));
}

/** The grants of subjects (`user:alice`, `robot:ci`), answered from memory. */
export class GrantBook {
  readonly #db: Database;
  readonly #rights = new Map<string, Rights>();

  constructor(db: Database) {
    this.#db = db;
  }

  rights(subject: string): Rights {
    const known = this.#rights.get(subject);
    if (known !== undefined) return known;
    const rights = rightsOf(this.list(subject));
    if (this.#rights.size > 10_000) this.#rights.clear();
    this.#rights.set(subject, rights);
    return rights;
  }

  list(subject: string): Grant[] {
    return this.#db
      .query<{ pattern: string; actions: string }, [string]>(
        "SELECT pattern, actions FROM grants WHERE subject = ? ORDER BY pattern",
      )
      .all(subject)
      .map(({ pattern, actions }) => ({ pattern, actions: parseActions(actions) ?? [] }));
  }

  /** Replaces all grants of a subject; an empty list takes them away. */
  set(subject: string, grants: readonly Grant[]): void {
    this.#db
      .transaction(() => {
        this.#db.query("DELETE FROM grants WHERE subject = ?").run(subject);
        for (const { pattern, actions } of grants)
          this.#db
            .query("INSERT OR REPLACE INTO grants (subject, pattern, actions) VALUES (?, ?, ?)")
            .run(subject, pattern, actions.join(","));
      })
      .immediate();
    this.#rights.delete(subject);
  }
}
