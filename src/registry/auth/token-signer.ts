import { open, readFile } from "node:fs/promises";
import { exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify, SignJWT } from "jose";
import { randomUUID } from "node:crypto";
import { Refusal } from "../refusal.ts";

/** What a bearer token lets its holder do: Docker token specification, "access" claim. */
export interface TokenAccess {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

export interface TokenClaims {
  /** `user:alice`, `robot:ci`, or empty for anonymous ones. */
  readonly subject: string;
  readonly access: readonly TokenAccess[];
  readonly expiresAtMs: number;
}

const algorithm = "ES256";
/** Long enough for one layer of one push to begin, short enough that rights taken away are gone. */
export const tokenLifetimeS = 300;
const maxRemembered = 4096;

/** Signs and verifies bearer tokens (RFC 7519) with a key of its own. */
export class TokenSigner {
  readonly #key: CryptoKey | Uint8Array;
  readonly #publicKey: CryptoKey | Uint8Array;
  readonly #service: string;
  /** Verified ones: a push sends the same token with each request. */
  readonly #verified = new Map<string, TokenClaims>();

  private constructor(keys: { secret: CryptoKey | Uint8Array; open: CryptoKey | Uint8Array }, service: string) {
    this.#key = keys.secret;
    this.#publicKey = keys.open;
    this.#service = service;
  }

  /** Reads the key from its file, or makes one. Deleting the file ends all tokens. */
  static async open(path: string, service: string): Promise<TokenSigner> {
    let jwk: JWK;
    try {
      jwk = JSON.parse(await readFile(path, "utf8")) as JWK;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
      jwk = await exportJWK(privateKey);
      await using file = await open(path, "wx", 0o600);
      await file.writeFile(JSON.stringify(jwk));
      await file.sync();
    }
    const { d: _, ...publicPart } = jwk;
    const keys = { secret: await importJWK(jwk, algorithm), open: await importJWK(publicPart, algorithm) };
    return new TokenSigner(keys, service);
  }

  sign(claims: { subject: string; access: readonly TokenAccess[] }): Promise<string> {
    return new SignJWT({ access: claims.access })
      .setProtectedHeader({ alg: algorithm, typ: "JWT" })
      .setIssuer(this.#service)
      .setAudience(this.#service)
      .setSubject(claims.subject)
      .setIssuedAt()
      .setNotBefore("-10s") // clocks of clients do not matter, ours may step back
      .setExpirationTime(`${tokenLifetimeS}s`)
      .setJti(randomUUID())
      .sign(this.#key);
  }

  /** Throws UNAUTHORIZED for a token that is not ours, was changed, or is over. */
  verify(token: string): TokenClaims | Promise<TokenClaims> {
    const known = this.#verified.get(token);
    if (known !== undefined && known.expiresAtMs > Date.now()) return known;
    this.#verified.delete(token);
    return this.#check(token);
  }

  async #check(token: string): Promise<TokenClaims> {
    try {
      const { payload } = await jwtVerify(token, this.#publicKey, {
        algorithms: [algorithm],
        issuer: this.#service,
        audience: this.#service,
        requiredClaims: ["exp", "sub"],
      });
      const claims: TokenClaims = {
        subject: payload.sub ?? "",
        access: (payload["access"] ?? []) as TokenAccess[],
        expiresAtMs: (payload.exp ?? 0) * 1000,
      };
      for (const key of this.#verified.keys()) {
        if (this.#verified.size < maxRemembered) break;
        this.#verified.delete(key);
      }
      this.#verified.set(token, claims);
      return claims;
    } catch (cause) {
      throw new Refusal("UNAUTHORIZED", "the token is not valid", { cause });
    }
  }
}
