import type { Database } from "bun:sqlite";
import { json } from "../http/answer.ts";
import { Refusal } from "../refusal.ts";
import type { Access, Identity } from "./access.ts";
import { type RepositoryAction, repositoryActions } from "./caller.ts";
import { issueRefreshToken, refreshSubject } from "./refresh-tokens.ts";
import type { Users } from "./users.ts";
import { type TokenAccess, tokenLifetimeS, type TokenSigner } from "./token-signer.ts";

const maxScopes = 64; // a push that mounts names a handful
const maxFormBytes = 64 * 1024;

export interface TokenDesk {
  readonly db: Database;
  readonly access: Access;
  readonly users: Users;
  readonly signer: TokenSigner;
}

/** GET /token: Docker token authentication specification. Credentials are Basic, or none for an anonymous token. */
export async function getToken(
  desk: TokenDesk,
  request: Request,
  from: { query: URLSearchParams; address: string },
): Promise<Response> {
  const header = request.headers.get("authorization");
  const [, basic] = /^basic\s+(\S+)$/i.exec(header ?? "") ?? [];
  if (header !== null && basic === undefined) throw new Refusal("UNAUTHORIZED", "the token service takes Basic only");
  const identity = basic === undefined ? desk.access.identityOf("") : await desk.access.login(basic, from.address);
  const offline = from.query.get("offline_token") === "true";
  return answer(desk, identity, { scopes: from.query.getAll("scope"), offline });
}

/** POST /token: OAuth 2 of the same specification, by password or by refresh token. */
export async function postToken(desk: TokenDesk, request: Request, address: string): Promise<Response> {
  const form = new URLSearchParams(await readForm(request));
  const identity = await granted(desk, form, address);
  const refresh = form.get("refresh_token");
  const given = await answer(desk, identity, {
    scopes: form.getAll("scope"),
    offline: form.get("access_type") === "offline" && refresh === null,
  });
  return refresh === null ? given : json({ ...((await given.json()) as object), refresh_token: refresh });
}

async function granted(desk: TokenDesk, form: URLSearchParams, address: string): Promise<Identity> {
  switch (form.get("grant_type")) {
    case "password":
      return desk.access.checkPassword(form.get("username") ?? "", form.get("password") ?? "", address);
    case "refresh_token": {
      const subject = refreshSubject(desk.db, form.get("refresh_token") ?? "");
      await desk.users.refresh(); // somebody may have taken the line out of the file
      if (subject === undefined) throw new Refusal("UNAUTHORIZED", "the refresh token is not valid: log in again");
      return desk.access.identityOf(subject);
    }
    default:
      throw new Refusal("UNSUPPORTED", "the grant type is password or refresh_token", { status: 400 });
  }
}

async function answer(
  desk: TokenDesk,
  identity: Identity,
  wanted: { scopes: readonly string[]; offline: boolean },
): Promise<Response> {
  const scopes = wanted.scopes.flatMap((scope) => scope.split(" ")).filter(Boolean);
  if (scopes.length > maxScopes) throw new Refusal("UNSUPPORTED", "too many scopes", { status: 400 });
  const access = scopes.map((scope) => allowed(desk, identity, scope)).filter((one) => one !== undefined);
  const token = await desk.signer.sign({ subject: identity.subject, access });
  return json(
    {
      token,
      access_token: token,
      expires_in: tokenLifetimeS,
      issued_at: new Date().toISOString(),
      scope: access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(",")}`).join(" "),
      ...(wanted.offline &&
        identity.kind !== "anonymous" && { refresh_token: issueRefreshToken(desk.db, identity.subject) }),
    },
    { "Cache-Control": "no-store" },
  );
}

/** The part of a scope that the identity has: less than was asked for is no failure, the registry will say. */
function allowed({ access }: TokenDesk, identity: Identity, scope: string): TokenAccess | undefined {
  const [, type = "", name = "", words = ""] = /^([a-z]+)(?:\([a-z]+\))?:(.+):([a-z*,]*)$/.exec(scope) ?? [];
  if (type === "registry" && name === "catalog")
    return access.mayList(identity) ? { type, name, actions: ["*"] } : undefined;
  if (type !== "repository") return undefined;
  const asked = words.split(",");
  const actions: RepositoryAction[] = repositoryActions.filter(
    (action) => (asked.includes(action) || asked.includes("*")) && access.may(identity, action, name),
  );
  return actions.length === 0 ? undefined : { type, name, actions };
}

async function readForm(request: Request): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of request.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > maxFormBytes) throw new Refusal("UNSUPPORTED", "the form is too long", { status: 413 });
  }
  return text;
}
