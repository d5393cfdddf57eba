import { unlessCancelled } from "../transfer/cancelled.ts";
import { type Challenge, readChallenges } from "./challenge.ts";
import type { Cancel, Credentials } from "../registries.ts";
import { fetchToken, type Token } from "./token.ts";
import type { Transport } from "../http/transport.ts";

const maxTokens = 512;

/** The rights of one user at one server: learns from its challenges which kind it wants, and keeps tokens. */
export class Authorizer {
  readonly #transport: Transport;
  readonly #origin: URL;
  readonly #credentials: Credentials;
  #challenge: Challenge | undefined;
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(options: { transport: Transport; origin: URL; credentials: Credentials }) {
    this.#transport = options.transport;
    this.#origin = options.origin;
    this.#credentials = options.credentials;
  }

  /** What to send along, as far as it is known; `scopes` like `repository:library/busybox:pull`. */
  async header(scopes: readonly string[], options: Cancel): Promise<string | undefined> {
    const { registryToken, username, password } = this.#credentials;
    if (registryToken) return `Bearer ${registryToken}`;
    if (this.#challenge === undefined) return undefined;
    if (this.#challenge.scheme === "basic")
      return username ? `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}` : undefined;
    return `Bearer ${(await this.#token(this.#challenge, scopes, options)).value}`;
  }

  /**
   * Takes in a 401. Gives whether another try makes sense; `sent` is what the refused request had.
   */
  challenged(response: Response, sent: string | undefined, scopes: readonly string[]): boolean | "no-credentials" {
    if (this.#credentials.registryToken) return false;
    const offered = readChallenges(response.headers.get("www-authenticate"));
    const { username } = this.#credentials;
    const bearer = offered.find(({ scheme, parameters }) => scheme === "bearer" && parameters["realm"] !== undefined);
    const basic = offered.find(({ scheme }) => scheme === "basic");
    const chosen = bearer ?? basic;
    if (chosen === undefined) return false;
    if (chosen.scheme === "basic" && !username) return "no-credentials";
    const scheme = chosen.scheme === "basic" ? "Basic " : "Bearer ";
    const changed = this.#challenge?.scheme !== chosen.scheme || !sameRealm(this.#challenge, chosen);
    const before = this.#challenge && this.#scopesWith(this.#challenge, scopes).join(" ");
    this.#challenge = chosen;
    if (changed) this.#tokens.clear();
    if (sent === undefined || !sent.startsWith(scheme) || changed) return true;
    if (chosen.scheme === "basic") return false;
    const key = this.#scopesWith(chosen, scopes).join(" ");
    if (key !== before) return true; // it names other scopes now
    const refused = this.#tokens.delete(key);
    return refused && chosen.parameters["error"] !== "insufficient_scope";
  }

  /** What is asked for; else what the registry names: a catalogue's scope cannot be guessed. */
  #scopesWith(challenge: Challenge, scopes: readonly string[]): readonly string[] {
    return scopes.length > 0 ? scopes : (challenge.parameters["scope"] ?? "").split(" ").filter((text) => text !== "");
  }

  async #token(challenge: Challenge, wanted: readonly string[], options: Cancel): Promise<Token> {
    const scopes = this.#scopesWith(challenge, wanted);
    const key = scopes.join(" ");
    const known = this.#tokens.get(key);
    if (known) {
      const token = await known.catch(() => undefined);
      if (token && token.expiresAtMs > performance.now()) return token;
      if (this.#tokens.get(key) === known) this.#tokens.delete(key);
      else return this.#token(challenge, wanted, options);
    }
    const asked = fetchToken({
      transport: this.#transport,
      registry: this.#origin,
      realm: challenge.parameters["realm"] ?? "",
      service: challenge.parameters["service"] ?? "",
      scopes,
      credentials: this.#credentials,
      // not the first asker's signal: others wait for the same token
    });
    if (this.#tokens.size >= maxTokens) this.#tokens.delete(this.#tokens.keys().next().value ?? "");
    this.#tokens.set(key, asked);
    try {
      return await unlessCancelled(asked, options.signal);
    } catch (error) {
      if (this.#tokens.get(key) === asked && !options.signal?.aborted) this.#tokens.delete(key);
      throw error;
    }
  }
}

const sameRealm = (a: Challenge | undefined, b: Challenge): boolean =>
  a?.parameters["realm"] === b.parameters["realm"] && a?.parameters["service"] === b.parameters["service"];
