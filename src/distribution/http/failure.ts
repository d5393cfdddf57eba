import { EngineError } from "../../base/errors.ts";
import { readChallenges } from "../auth/challenge.ts";
import { readLimited } from "./answer-body.ts";

/** What the retries look at; in the `detail` of every error of this folder. */
export interface FailureFacts {
  /** May go away by itself: the same request can be tried again. */
  readonly transient?: boolean;
  /** Nobody listens there, or the name has no address. */
  readonly unreached?: boolean;
  readonly status?: number;
  /** The registry's code, `MANIFEST_UNKNOWN`. */
  readonly code?: string;
  /** The registry said when to come again. */
  readonly retryAfterMs?: number;
}

export const facts = (error: unknown): FailureFacts => (error instanceof EngineError ? error.detail : {});

/** The server itself is in trouble or lies; a refusal or a 404 is about what was asked for alone. */
export function isServersFault(error: unknown): boolean {
  const { transient, status } = facts(error);
  return transient === true || status === undefined;
}

/** Long enough for every registry's, short enough for a log line. */
const maxTextLength = 1000;
const maxErrorBytes = 64 * 1024;

/** The error that an answer of 4xx or 5xx stands for, in the words of docker's own client. Reads the body. */
export async function answerFailure(response: Response): Promise<EngineError> {
  const { status } = response;
  const challenges = readChallenges(response.headers.get("www-authenticate"));
  const scopeLacks = challenges.some(({ parameters }) => parameters["error"] === "insufficient_scope");
  const body = (await firstError(response)) ?? wordless(response);
  // RFC 6750, 3.1: the token is good, its rights are not enough
  const first =
    status === 401 && scopeLacks ? { code: "DENIED", message: "requested access to the resource is denied" } : body;
  const retryAfterMs = readRetryAfter(response.headers.get("retry-after"));
  const detail = {
    status,
    code: first?.code ?? "",
    transient: status === 408 || status === 429 || status >= 500,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
  const text =
    first === undefined
      ? `received unexpected HTTP status: ${status} ${plain(response.statusText)}`.trim()
      : `${first.code.toLowerCase().replaceAll("_", " ")}: ${first.message}`;
  return new EngineError(kindOf(status), text, detail);
}

function kindOf(status: number): EngineError["kind"] {
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 404) return "not-found";
  return status === 408 || status === 429 || status >= 500 ? "unavailable" : "invalid";
}

/** A request that got no answer. `cause` is what the transport threw. */
export function transportFailure(method: string, url: URL, cause: unknown): EngineError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const known = transportText(code, url);
  const text = known ?? (cause instanceof Error ? cause.message : String(cause));
  // a certificate does not get better by asking again
  const transient = !/CERT|VERIFY|EPROTO|ALTNAME|SELF_SIGNED/.test(code);
  const unreached =
    /^(ConnectionRefused|ECONNREFUSED|(DNS_)?ENOTFOUND|EHOSTUNREACH|ENETUNREACH|FailedToOpenSocket)$/.test(code);
  return new EngineError(
    "unavailable",
    `${verb(method)} "${shown(url)}": ${plain(text)}`,
    { transient, unreached, reason: code },
    { cause },
  );
}

/** Go's way to write the method in such texts: `Get "https://..."`. */
export const verb = (method: string): string => method.slice(0, 1) + method.slice(1).toLowerCase();

/** Without the query: uploads and redirects carry secrets in it. */
export const shown = (url: URL): string => `${url.origin}${url.pathname}`;

function transportText(code: string, url: URL): string | undefined {
  const address = `${url.hostname}:${url.port || (url.protocol === "https:" ? 443 : 80)}`;
  switch (code) {
    case "ConnectionRefused":
    case "ECONNREFUSED":
      return `dial tcp ${address}: connect: connection refused`;
    case "ENOTFOUND":
    case "DNS_ENOTFOUND":
    case "EAI_AGAIN":
      return `dial tcp: lookup ${url.hostname}: no such host`;
    case "FailedToOpenSocket": // Bun's, where the kernel has no way there
      return `dial tcp ${address}: no connection could be made`;
    case "ENETUNREACH":
      return `dial tcp ${address}: connect: network is unreachable`;
    case "EHOSTUNREACH":
      return `dial tcp ${address}: connect: no route to host`;
    case "ECONNRESET":
      return "connection reset by peer";
    case "EPROTO":
      return "http: server gave HTTP response to HTTPS client, or refused the TLS handshake";
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `tls: failed to verify certificate: x509: certificate is not valid for ${url.hostname}`;
    case "CERT_HAS_EXPIRED":
      return "tls: failed to verify certificate: x509: certificate has expired or is not yet valid";
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
      return "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    default:
      return undefined;
  }
}

/** What a refusal means that says nothing, as one of a HEAD cannot. */
function wordless({ status, headers }: Response): { code: string; message: string } | undefined {
  if (status === 401) return { code: "UNAUTHORIZED", message: "authentication required" };
  const isPage = /html|xml/.test(headers.get("content-type") ?? "");
  return status === 403 && !isPage
    ? { code: "DENIED", message: "requested access to the resource is denied" }
    : undefined;
}

/** OCI distribution-spec 1.1, "Error Codes". */
async function firstError(response: Response): Promise<{ code: string; message: string } | undefined> {
  let body: unknown;
  try {
    body = JSON.parse(
      new TextDecoder().decode(await readLimited(response, { maxBytes: maxErrorBytes, stallMs: 5000 })),
    );
  } catch {
    return undefined; // a page of a proxy, nothing, or cut off: the status says it
  }
  const { errors, details } = (body ?? {}) as { errors?: unknown; details?: unknown };
  // Docker Hub's token server
  if (typeof details === "string" && details !== "")
    return { code: response.status === 429 ? "TOOMANYREQUESTS" : "UNAUTHORIZED", message: plain(details) };
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  if (first === null || typeof first !== "object") return undefined;
  const { code, message } = first as { code?: unknown; message?: unknown };
  if (typeof code !== "string" || code === "") return undefined;
  return { code: plain(code), message: typeof message === "string" ? plain(message) : "" };
}

/** A stranger's text as a message may hold it. */
// oxlint-disable-next-line no-control-regex
export const plain = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").slice(0, maxTextLength);

/** RFC 9110, 10.2.3: seconds or a date. */
function readRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
