import type { Database } from "bun:sqlite";
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { EngineError } from "../../base/errors.ts";

/** Robots log in as `robot+name`, so that no user can be mistaken for one. */
export const robotPrefix = "robot+";

export interface Robot {
  readonly name: string;
  readonly createdAtMs: number;
  readonly createdBy: string;
  /** undefined: never. */
  readonly expiresAtMs: number | undefined;
}

/** What secrets are kept as. They are random and long: one digest is enough, and quick. */
export const secretDigest = (secret: string): Buffer => createHash("sha256").update(secret).digest();

/** Makes a robot; its secret is told once. Throws `conflict` for a name that is taken, `invalid` for one that cannot be. */
export function createRobot(
  db: Database,
  robot: { name: string; by: string; expiresAtMs: number | undefined },
): string {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(robot.name))
    throw new EngineError("invalid", `invalid robot name ${JSON.stringify(robot.name)}: a-z, 0-9, . _ and - only`);
  const secret = `berth_${randomBytes(32).toString("base64url")}`;
  const made = db
    .query(
      "INSERT OR IGNORE INTO robots (name, secret_digest, created_at, created_by, expires_at) VALUES (?, ?, ?, ?, ?)",
    )
    .run(robot.name, secretDigest(secret), Date.now(), robot.by, robot.expiresAtMs ?? null);
  if (made.changes === 0) throw new EngineError("conflict", `there is a robot ${robot.name} already`);
  return secret;
}

export function verifyRobot(db: Database, name: string, secret: string): boolean {
  const row = db
    .query<{ digest: Uint8Array; expiresAt: number | null }, [string]>(
      "SELECT secret_digest AS digest, expires_at AS expiresAt FROM robots WHERE name = ?",
    )
    .get(name);
  const right = timingSafeEqual(row?.digest ?? Buffer.alloc(32), secretDigest(secret));
  return right && row !== null && !isOver(row.expiresAt);
}

/** Whether a robot is there and has not expired: a token of its outlives neither. */
export function robotLives(db: Database, name: string): boolean {
  const row = db
    .query<{ expiresAt: number | null }, [string]>("SELECT expires_at AS expiresAt FROM robots WHERE name = ?")
    .get(name);
  return row !== null && !isOver(row.expiresAt);
}

export function listRobots(db: Database): Robot[] {
  return db
    .query<{ name: string; createdAtMs: number; createdBy: string; expiresAt: number | null }, []>(
      `SELECT name, created_at AS createdAtMs, created_by AS createdBy, expires_at AS expiresAt FROM robots ORDER BY name`,
    )
    .all()
    .map(({ expiresAt, ...robot }) => ({ ...robot, expiresAtMs: expiresAt ?? undefined }));
}

/** Throws `not-found`. */
export function removeRobot(db: Database, name: string): void {
  if (db.query("DELETE FROM robots WHERE name = ?").run(name).changes === 0)
    throw new EngineError("not-found", `there is no robot ${name}`);
}

const isOver = (expiresAt: number | null): boolean => expiresAt !== null && expiresAt <= Date.now();
