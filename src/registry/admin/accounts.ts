import { EngineError } from "../../base/errors.ts";
import { revokeRefreshTokens } from "../auth/refresh-tokens.ts";
import type { Grant } from "../auth/rights.ts";
import { createRobot, listRobots, removeRobot, robotPrefix } from "../auth/robots.ts";
import type { Task } from "./task.ts";

const shown = ({ pattern, actions }: Grant) => ({ repositories: pattern, actions });

export async function listAccounts({ exchange }: Task): Promise<object[]> {
  const { users, access } = exchange.services;
  await users.refresh();
  return users.list().map((user) => ({ ...user, grants: access.grants.list(`user:${user.name}`).map(shown) }));
}

export async function createUser({ exchange, body }: Task): Promise<void> {
  const { users, access } = exchange.services;
  const name = body.text("name");
  const grants = body.grants("grants");
  const admin = body.toggle("admin");
  await users.refresh();
  if (users.has(name)) throw new EngineError("conflict", `there is a user ${name} already`);
  await users.set(name, body.text("password"));
  access.grants.set(`user:${name}`, grants);
  users.setAdmin(name, admin);
}

export async function updateUser({ exchange, body, name }: Task): Promise<void> {
  const { users, access } = exchange.services;
  await users.refresh();
  if (!users.has(name)) throw new EngineError("not-found", `there is no user ${name}`);
  if (body.has("grants")) access.grants.set(`user:${name}`, body.grants("grants"));
  if (body.has("admin")) users.setAdmin(name, body.toggle("admin"));
}

export async function deleteUser({ exchange, name }: Task): Promise<void> {
  const { users, access, core } = exchange.services;
  await users.remove(name);
  access.grants.set(`user:${name}`, []);
  revokeRefreshTokens(core.db, `user:${name}`);
}

/** Ends the user's other logins: who knew the old password has a token of it, maybe. */
export async function changePassword({ exchange, body, name }: Task): Promise<void> {
  const { users, core } = exchange.services;
  await users.refresh();
  if (!users.has(name)) throw new EngineError("not-found", `there is no user ${name}`);
  await users.set(name, body.text("password"));
  revokeRefreshTokens(core.db, `user:${name}`);
}

export function listRobotAccounts({ exchange }: Task): object[] {
  const { access, core } = exchange.services;
  return listRobots(core.db).map(({ expiresAtMs, createdAtMs, ...robot }) => ({
    ...robot,
    login: robotPrefix + robot.name,
    createdAt: new Date(createdAtMs).toISOString(),
    expiresAt: expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString(),
    grants: access.grants.list(`robot:${robot.name}`).map(shown),
  }));
}

/** The answer is the only place where the secret is ever told. */
export function createRobotAccount({ exchange, body }: Task): object {
  const { access, core } = exchange.services;
  const name = body.text("name");
  const grants = body.grants("grants");
  if (grants.length === 0) throw new EngineError("invalid", "grants: a robot without rights is of no use");
  const lifetimeMs = body.wholeOrNull("lifetimeMs");
  const secret = createRobot(core.db, {
    name,
    by: exchange.caller.name,
    expiresAtMs: lifetimeMs === null ? undefined : Date.now() + lifetimeMs,
  });
  access.grants.set(`robot:${name}`, grants);
  return { login: robotPrefix + name, secret };
}

export function deleteRobot({ exchange, name }: Task): void {
  const { access, core } = exchange.services;
  removeRobot(core.db, name);
  access.grants.set(`robot:${name}`, []);
  revokeRefreshTokens(core.db, `robot:${name}`);
}
