import type { Database } from "bun:sqlite";
import { createHmac, randomBytes } from "node:crypto";
import { randomUUID } from "node:crypto";
import { Refusal } from "../refusal.ts";
import type { Caller, RepositoryAction } from "./caller.ts";
import { FailedLogins } from "./failed-logins.ts";
import { type Grant, GrantBook, type Rights, rightsOf } from "./rights.ts";
import { robotLives, robotPrefix, verifyRobot } from "./robots.ts";
import type { TokenClaims, TokenSigner } from "./token-signer.ts";
import type { Users } from "./users.ts";

/** What a caller wanted to do. */
export interface WantedAccess {
  readonly repository: string;
  readonly actions: readonly RepositoryAction[];
}

export interface AccessOptions {
  readonly db: Database;
  readonly users: Users;
  readonly signer: TokenSigner;
  readonly anonymous: readonly Grant[];
  /** What every user has besides grants of their own. */
  readonly loggedIn: readonly Grant[];
  readonly service: string;
  /** Where clients fetch tokens; from the request's own host when undefined. */
  readonly realm: string | undefined;
  /** For the audit log. */
  readonly loginFailed: (name: string, address: string) => void;
  /** The listener has TLS: realms are https. */
  readonly secure: boolean;
}

/** A name that proved itself. */
export interface Identity {
  readonly kind: "anonymous" | "user" | "robot";
  readonly name: string;
  readonly subject: string;
  readonly admin: boolean;
}

const nobody: Identity = { kind: "anonymous", name: "", subject: "", admin: false };
const rememberMs = 60_000;
const maxRemembered = 2000;

/** Users, robots, tokens and anonymous callers, and what each may do. */
export class Access {
  readonly #options: AccessOptions;
  readonly #failed = new FailedLogins();
  readonly #anonymous: Rights;
  readonly #loggedIn: Rights;
  /** bcrypt takes long on purpose; clients that send a password with every request pay for it once a minute. */
  readonly #remembered = new Map<string, { untilMs: number; generation: number; identity: Identity }>();
  readonly #secret = randomBytes(32);
  readonly grants: GrantBook;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#anonymous = rightsOf(options.anonymous);
    this.#loggedIn = rightsOf(options.loggedIn);
    this.grants = new GrantBook(options.db);
  }

  /** There is somebody to log in as, or nobody may do anything without. */
  get asksToLogIn(): boolean {
    const { users, anonymous, db } = this.#options;
    return anonymous.length === 0 || users.count > 0 || db.query("SELECT 1 FROM robots LIMIT 1").get() !== null;
  }

  identify(request: Request, address: string): Caller | Promise<Caller> {
    if (address === "") return this.#caller(request, address, { kind: "local", name: "root", admin: true });
    const header = request.headers.get("authorization");
    if (header === null) return this.#identified(request, address, nobody);
    const space = header.indexOf(" ");
    const value = header.slice(space + 1).trim();
    switch (header.slice(0, space).toLowerCase()) {
      case "bearer":
        return this.#byToken(request, address, value);
      case "basic":
        return this.login(value, address).then(
          (identity) => this.#identified(request, address, identity),
          (error: unknown) => {
            throw this.#withChallenge(request, error, "");
          },
        );
      default:
        throw this.#withChallenge(request, new Refusal("UNAUTHORIZED", "credentials are Basic or Bearer"), "");
    }
  }

  /** Without a promise where the token was verified before: a pull asks for many things. */
  #byToken(request: Request, address: string, token: string): Caller | Promise<Caller> {
    const challenged = (error: unknown): never => {
      throw this.#withChallenge(request, error, 'error="invalid_token"');
    };
    const claims = this.#options.signer.verify(token);
    if (claims instanceof Promise)
      return claims.then((verified) => this.#bearer(request, address, verified)).catch(challenged);
    try {
      return this.#bearer(request, address, claims);
    } catch (error) {
      return challenged(error);
    }
  }

  /** Checks what a Basic header holds. Throws UNAUTHORIZED, TOOMANYREQUESTS. */
  async login(basic: string, address: string): Promise<Identity> {
    const text = Buffer.from(basic, "base64").toString("utf8");
    const colon = text.indexOf(":");
    if (colon < 1) throw new Refusal("UNAUTHORIZED", "the credentials cannot be read");
    return this.checkPassword(text.slice(0, colon), text.slice(colon + 1), address);
  }

  /** As login(), with name and password apart. */
  async checkPassword(name: string, password: string, address: string): Promise<Identity> {
    const { users, db } = this.#options;
    if (name.startsWith(robotPrefix)) {
      const robot = name.slice(robotPrefix.length);
      this.#failed.check(address, name);
      if (verifyRobot(db, robot, password)) return robotIdentity(robot);
      throw this.#wrong(name, address);
    }
    await users.refresh();
    const key = createHmac("sha256", this.#secret).update(`${name}\0${password}`).digest("base64");
    const known = this.#remembered.get(key);
    if (known !== undefined && known.untilMs > Date.now() && known.generation === users.generation)
      return { ...known.identity, admin: users.isAdmin(name) };
    this.#failed.check(address, name);
    if (!(await users.verify(name, password))) throw this.#wrong(name, address);
    this.#failed.succeeded(address, name);
    const identity = this.identityOf(`user:${name}`);
    for (const old of this.#remembered.keys()) {
      if (this.#remembered.size < maxRemembered) break;
      this.#remembered.delete(old);
    }
    this.#remembered.set(key, { untilMs: Date.now() + rememberMs, generation: users.generation, identity });
    return identity;
  }

  /** Who a subject is now; throws UNAUTHORIZED for one that is gone or over. */
  identityOf(subject: string): Identity {
    const { users, db } = this.#options;
    if (subject === "") return nobody;
    const name = subject.slice(subject.indexOf(":") + 1);
    if (subject.startsWith("robot:") && robotLives(db, name)) return robotIdentity(name);
    if (subject.startsWith("user:") && users.has(name))
      return { kind: "user", name, subject, admin: users.isAdmin(name) };
    throw new Refusal("UNAUTHORIZED", `${name} may no longer log in`);
  }

  /** What an identity may do, whatever token it shows. */
  may(identity: Identity, action: RepositoryAction, repository: string): boolean {
    if (identity.admin) return true;
    if (this.#anonymous(action, repository)) return true;
    if (identity.kind === "anonymous") return false;
    if (identity.kind === "user" && this.#loggedIn(action, repository)) return true;
    return this.grants.rights(identity.subject)(action, repository);
  }

  mayList(identity: Identity): boolean {
    return identity.kind !== "anonymous" || this.#options.anonymous.some(({ actions }) => actions.includes("pull"));
  }

  /** A caller without the rights is asked for (better) credentials; one who proved all it can is denied. */
  refuse(request: Request, caller: Caller, wanted: readonly WantedAccess[]): Refusal {
    const scope = wanted
      .map(({ repository, actions }) => `repository:${repository}:${scopeActions(actions)}`)
      .join(" ");
    const isBearer = /^bearer /i.test(request.headers.get("authorization") ?? "");
    if (caller.kind !== "anonymous" && !isBearer)
      return new Refusal("DENIED", undefined, { detail: wanted.length > 0 ? { scope } : {} });
    const more = [scope === "" ? "" : `scope="${scope}"`, isBearer ? 'error="insufficient_scope"' : ""];
    const refusal = new Refusal("UNAUTHORIZED", undefined, {
      headers: this.#challenge(request, more.filter(Boolean).join(",")),
      detail: scope === "" ? {} : { scope },
    });
    return refusal;
  }

  #wrong(name: string, address: string): Refusal {
    this.#failed.failed(address, name);
    this.#options.loginFailed(name, address);
    return new Refusal("UNAUTHORIZED", "wrong name or password");
  }

  #withChallenge(request: Request, error: unknown, more: string): unknown {
    if (!(error instanceof Refusal) || error.code !== "UNAUTHORIZED") return error;
    return new Refusal("UNAUTHORIZED", error.message, { headers: this.#challenge(request, more), cause: error.cause });
  }

  #challenge(request: Request, more: string): Record<string, string> {
    const { realm, service, secure } = this.#options;
    const host = request.headers.get("host") ?? "";
    const own = `http${secure ? "s" : ""}://${/^[\w.:[\]-]+$/.test(host) ? host : "localhost"}/token`;
    return {
      "Www-Authenticate": `Bearer realm="${realm ?? own}",service="${service}"${more === "" ? "" : `,${more}`}`,
      "Docker-Distribution-Api-Version": "registry/2.0",
    };
  }

  #identified(request: Request, address: string, identity: Identity): Caller {
    return this.#caller(request, address, identity, {
      may: (action, repository) => this.may(identity, action, repository),
      mayList: this.mayList(identity),
    });
  }

  /** A token gives what it names, and not what was taken away since from who holds it. */
  #bearer(request: Request, address: string, claims: TokenClaims): Caller {
    const identity = this.identityOf(claims.subject);
    const listed = claims.access.some(({ type, name }) => type === "registry" && name === "catalog");
    const names = (action: RepositoryAction, repository: string): boolean =>
      claims.access.some(
        ({ type, name, actions }) => type === "repository" && name === repository && actions.includes(action),
      );
    return this.#caller(
      request,
      address,
      { ...identity, admin: false },
      {
        may: (action, repository) =>
          (names(action, repository) || (listed && action === "pull")) && this.may(identity, action, repository),
        mayList: listed,
      },
    );
  }

  #caller(
    request: Request,
    address: string,
    who: { kind: Caller["kind"]; name: string; admin: boolean },
    rights: Pick<Caller, "may" | "mayList"> = { may: () => true, mayList: true },
  ): Caller {
    return {
      kind: who.kind,
      name: who.kind === "robot" ? robotPrefix + who.name : who.name,
      admin: who.admin,
      address,
      method: request.method,
      get requestId() {
        return randomUUID();
      },
      get userAgent() {
        return (request.headers.get("user-agent") ?? "").slice(0, 256);
      },
      get host() {
        return (request.headers.get("host") ?? "").slice(0, 256);
      },
      ...rights,
    };
  }
}

const robotIdentity = (name: string): Identity => ({ kind: "robot", name, subject: `robot:${name}`, admin: false });

/** Docker's clients ask to pull what they push. */
const scopeActions = (actions: readonly RepositoryAction[]): string =>
  actions.includes("push") && !actions.includes("pull") ? ["pull", ...actions].join(",") : actions.join(",");
