import type { Database } from "bun:sqlite";
import { EngineError } from "../../base/errors.ts";
import { isPattern, matcher } from "../pattern.ts";
import type { Immutability } from "./immutability.ts";

/** Says which tags of which repositories are kept. A tag that rules speak of goes unless one of them keeps it. */
export interface RetentionRule {
  readonly id: number;
  readonly repositories: string;
  readonly tags: string;
  /** The newest ones of those the rule speaks of. */
  readonly keepLast: number | null;
  readonly keepPushedMs: number | null;
  readonly keepPulledMs: number | null;
}

export interface RetiredTag {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
  readonly pushedAtMs: number;
}

export function listRules(db: Database): RetentionRule[] {
  return db
    .query<RetentionRule, []>(
      `SELECT id, repositories, tags, keep_last AS keepLast, keep_pushed_ms AS keepPushedMs,
       keep_pulled_ms AS keepPulledMs FROM retention_rules ORDER BY id`,
    )
    .all();
}

/** Throws `invalid` for a rule that keeps nothing, or whose patterns are none. */
export function addRule(db: Database, rule: Omit<RetentionRule, "id">): void {
  for (const pattern of [rule.repositories, rule.tags])
    if (!isPattern(pattern)) throw new EngineError("invalid", `${JSON.stringify(pattern)} is no pattern`);
  if (rule.keepLast === null && rule.keepPushedMs === null && rule.keepPulledMs === null)
    throw new EngineError(
      "invalid",
      "a rule says what to keep: the last ones, or those pushed or pulled within a time",
    );
  db.query(
    "INSERT INTO retention_rules (repositories, tags, keep_last, keep_pushed_ms, keep_pulled_ms) VALUES (?, ?, ?, ?, ?)",
  ).run(rule.repositories, rule.tags, rule.keepLast, rule.keepPushedMs, rule.keepPulledMs);
}

export const removeRule = (db: Database, id: number): boolean =>
  db.query("DELETE FROM retention_rules WHERE id = ?").run(id).changes > 0;

interface TagRow {
  readonly name: string;
  readonly digest: string;
  readonly pushedAt: number;
  readonly pulledAt: number | null;
}

/** Removes the tags that no rule keeps, a repository at a time; a dry run only tells them. */
export async function retire(db: Database, immutability: Immutability, dryRun: boolean): Promise<RetiredTag[]> {
  const rules = listRules(db).map((rule) => ({
    ...rule,
    speaksOf: matcher(rule.repositories),
    matches: matcher(rule.tags),
  }));
  const retired: RetiredTag[] = [];
  const repositories = db
    .query<{ id: number; name: string }, []>("SELECT id, name FROM repositories ORDER BY name")
    .all();
  for (const { id, name } of repositories) {
    const mine = rules.filter(({ speaksOf }) => speaksOf(name));
    if (mine.length === 0) continue;
    const gone = db
      .transaction(() => {
        const doomed = doomedTags(tagsOf(db, id), mine).filter((tag) => !immutability.covers(name, tag.name));
        if (!dryRun)
          for (const tag of doomed) db.query("DELETE FROM tags WHERE repository = ? AND name = ?").run(id, tag.name);
        return doomed;
      })
      .immediate();
    retired.push(
      ...gone.map((tag) => ({ repository: name, tag: tag.name, digest: tag.digest, pushedAtMs: tag.pushedAt })),
    );
    await Bun.sleep(0); // requests that wait come first
  }
  return retired;
}

function tagsOf(db: Database, repository: number): TagRow[] {
  return db
    .query<TagRow, [number]>(
      `SELECT name, digest, pushed_at AS pushedAt, pulled_at AS pulledAt FROM tags WHERE repository = ?
       ORDER BY pushed_at DESC, name DESC`,
    )
    .all(repository);
}

/** `tags` are newest first. */
function doomedTags(
  tags: readonly TagRow[],
  rules: readonly (RetentionRule & { matches: (tag: string) => boolean })[],
): TagRow[] {
  const now = Date.now();
  const kept = new Set<string>();
  const spoken = new Set<string>();
  for (const rule of rules) {
    const mine = tags.filter(({ name }) => rule.matches(name));
    for (const [place, { name, pushedAt, pulledAt }] of mine.entries()) {
      spoken.add(name);
      const keeps =
        (rule.keepLast !== null && place < rule.keepLast) ||
        (rule.keepPushedMs !== null && pushedAt >= now - rule.keepPushedMs) ||
        (rule.keepPulledMs !== null && Math.max(pulledAt ?? 0, pushedAt) >= now - rule.keepPulledMs);
      if (keeps) kept.add(name);
    }
  }
  return tags.filter(({ name }) => spoken.has(name) && !kept.has(name));
}
