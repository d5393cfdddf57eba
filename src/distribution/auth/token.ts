import { EngineError } from "../../base/errors.ts";
import { discard, readLimited } from "../http/answer-body.ts";
import { answerFailure, facts, plain } from "../http/failure.ts";
import type { Credentials } from "../registries.ts";
import type { Transport } from "../http/transport.ts";

export interface Token {
  readonly value: string;
  /** On performance.now()'s clock. */
  readonly expiresAtMs: number;
  /** Empty when the server gave none. */
  readonly refreshToken: string;
}

export interface TokenRequest {
  readonly transport: Transport;
  /** The server whose challenge named the realm. */
  readonly registry: URL;
  readonly realm: string;
  readonly service: string;
  readonly scopes: readonly string[];
  readonly credentials: Credentials;
  /** Asks for a refresh token too, as `login` does. */
  readonly offline?: boolean;
}

const clientId = "docker";
/** Docker's token specification: what a server means that does not say. */
const defaultLifetimeS = 60;
const maxTokenBytes = 1024 * 1024;
const answerMs = 30_000;

/**
 * Asks a token server for rights: with a refresh token by OAuth2's form, else by GET with basic authentication or
 * none, and by the form with a password where there is no GET. Throws `unauthorized` when it refuses, `invalid` for a realm that secrets must not go to.
 */
export async function fetchToken(request: TokenRequest): Promise<Token> {
  const realm = await checkRealm(request);
  const { identityToken, username } = request.credentials;
  let response = identityToken ? await askByForm(realm, request) : await askByGet(realm, request);
  if (!identityToken && username && (response.status === 404 || response.status === 405)) {
    await discard(response); // it knows OAuth2 alone
    response = await askByForm(realm, request);
  }
  if (response.status >= 400) throw refused(await answerFailure(response), realm);
  if (response.status !== 200) {
    await discard(response);
    throw new EngineError("unavailable", `token server ${realm.origin} answers with status ${response.status}`, {
      transient: false,
    });
  }
  return readToken(response, realm);
}

async function checkRealm({ transport, registry, realm }: TokenRequest): Promise<URL> {
  const url = URL.parse(realm);
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === "")
    throw new EngineError(
      "invalid",
      `${registry.origin} names a token realm that is no http address: ${quoted(realm)}`,
    );
  if (url.username !== "" || url.password !== "")
    throw new EngineError("invalid", `${registry.origin} names a token realm with a user in it`);
  // what protects the password: TLS, or that the user has said that this host needs none
  if (url.protocol === "http:" && !(await transport.insecure(url.host)))
    throw new EngineError(
      "invalid",
      `${registry.origin} names the token realm ${url.origin}, which is not encrypted: nothing is sent there unless it is in insecure-registries`,
    );
  return url;
}

async function askByGet(
  realm: URL,
  { transport, service, scopes, credentials, offline }: TokenRequest,
): Promise<Response> {
  const url = new URL(realm);
  if (service !== "") url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (offline) url.searchParams.set("offline_token", "true");
  if (offline || credentials.username) url.searchParams.set("client_id", clientId);
  if (credentials.username) url.searchParams.set("account", credentials.username);
  const basic = Buffer.from(`${credentials.username}:${credentials.password ?? ""}`).toString("base64");
  const { response } = await transport.sendFollowing({
    method: "GET",
    url,
    headers: credentials.username ? { Authorization: `Basic ${basic}` } : {},
    answerMs,
  });
  return response;
}

/** RFC 6749, 4.3 and 6. Redirects are not followed: the secret is in the body. */
function askByForm(realm: URL, { transport, service, scopes, credentials, offline }: TokenRequest): Promise<Response> {
  const { identityToken, username = "", password = "" } = credentials;
  const form = new URLSearchParams({
    ...(identityToken
      ? { grant_type: "refresh_token", refresh_token: identityToken }
      : { grant_type: "password", username, password }),
    service,
    client_id: clientId,
    ...(offline && { access_type: "offline" }),
    ...(scopes.length > 0 && { scope: scopes.join(" ") }),
  });
  return transport.send({
    method: "POST",
    url: realm,
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: form.toString(),
    answerMs,
  });
}

async function readToken(response: Response, realm: URL): Promise<Token> {
  const bytes = await readLimited(response, { maxBytes: maxTokenBytes, stallMs: answerMs });
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new EngineError("invalid", `token server ${realm.origin} gives what is not JSON`);
  }
  const { token, access_token, expires_in, refresh_token } = (answer ?? {}) as Record<string, unknown>;
  const value = token || access_token;
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value))
    throw new EngineError("unauthorized", "authorization server did not include a token in the response");
  const lifetimeS = typeof expires_in === "number" && expires_in > 0 ? expires_in : defaultLifetimeS;
  return {
    value,
    // a tenth early: clocks and the way
    expiresAtMs: performance.now() + lifetimeS * 900,
    refreshToken: typeof refresh_token === "string" ? refresh_token : "",
  };
}

/** A refusal in the words of docker's client. */
function refused(error: EngineError, realm: URL): EngineError {
  const { status = 0, code = "" } = facts(error);
  if (status === 429 || status >= 500) return error;
  if (code !== "") return new EngineError("unauthorized", error.message, { ...error.detail });
  return new EngineError("unauthorized", `token server ${realm.origin}: ${error.message}`, {
    ...error.detail,
    code: "UNAUTHORIZED",
  });
}

const quoted = (text: string): string => JSON.stringify(plain(text).slice(0, 200));
