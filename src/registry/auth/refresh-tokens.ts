import type { Database } from "bun:sqlite";
import { randomBytes } from "node:crypto";
import { secretDigest } from "./robots.ts";

const lifetimeMs = 90 * 24 * 60 * 60 * 1000; // docker login is asked for again after a season
const maxPerSubject = 100;

/** Makes a refresh token: what `docker login` keeps instead of the password. */
export function issueRefreshToken(db: Database, subject: string): string {
  const token = `berth_refresh_${randomBytes(32).toString("base64url")}`;
  db.transaction(() => {
    db.query("DELETE FROM refresh_tokens WHERE expires_at < ?").run(Date.now());
    db.query(
      `DELETE FROM refresh_tokens WHERE digest IN
       (SELECT digest FROM refresh_tokens WHERE subject = ? ORDER BY created_at DESC LIMIT -1 OFFSET ?)`,
    ).run(subject, maxPerSubject - 1);
    db.query("INSERT INTO refresh_tokens (digest, subject, created_at, expires_at) VALUES (?, ?, ?, ?)").run(
      secretDigest(token),
      subject,
      Date.now(),
      Date.now() + lifetimeMs,
    );
  }).immediate();
  return token;
}

/** Whose token it is; undefined for one that is unknown or over. Looked up by its digest: nothing to time. */
export function refreshSubject(db: Database, token: string): string | undefined {
  return db
    .query<{ subject: string }, [Uint8Array, number]>(
      "SELECT subject FROM refresh_tokens WHERE digest = ? AND expires_at > ?",
    )
    .get(secretDigest(token), Date.now())?.subject;
}

/** Ends all sessions of a subject: its password changed, or it is gone. */
export function revokeRefreshTokens(db: Database, subject: string): void {
  db.query("DELETE FROM refresh_tokens WHERE subject = ?").run(subject);
}
