import { errorKind, errorMessage } from "../../base/errors.ts";
import { Refusal } from "../refusal.ts";

export const jsonType = "application/json";

export const json = (value: unknown, headers: Record<string, string> = {}, status = 200): Response =>
  new Response(JSON.stringify(value), { status, headers: { "Content-Type": jsonType, ...headers } });

export const empty = (status: number, headers: Record<string, string> = {}): Response =>
  new Response(null, { status, headers });

/** A failure as OCI distribution-spec 1.1, "Error Codes", has it. */
export function refusalAnswer(refusal: Refusal): Response {
  const { code, message, detail } = refusal;
  const error = { code, message, ...(Object.keys(detail).length > 0 && { detail }) };
  return json({ errors: [error] }, refusal.headers, refusal.status);
}

/** What a failure that nobody meant for clients becomes: they learn no paths and no insides. */
export function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT" || /database or disk is full/.test(errorMessage(error)))
    return new Refusal("UNKNOWN", "no space left in the registry", { status: 507, cause: error });
  if (code === "ENOENT") return new Refusal("BLOB_UNKNOWN", undefined, { cause: error });
  const kind = errorKind(error);
  if (kind === "deadline" || kind === "unavailable")
    return new Refusal("UNAVAILABLE", errorMessage(error), { cause: error, headers: { "Retry-After": "1" } });
  return new Refusal("UNKNOWN", "the registry failed; its log says why", { cause: error });
}

/** Whether a client has this version already: RFC 9110, "If-None-Match" (the weak comparison). */
export function matches(header: string | null, etag: string): boolean {
  if (header === null) return false;
  return header.split(",").some((one) => {
    const wanted = one.trim().replace(/^W\//, "");
    return wanted === "*" || wanted === etag || `"${wanted}"` === etag; // Docker's clients leave out the quotes
  });
}

/** The address of the next page, for the header Link: RFC 8288. */
export function nextPage(path: string, page: { last: string; limit: number }): Record<string, string> {
  const query = new URLSearchParams({ last: page.last, n: String(page.limit) });
  return { Link: `<${path}?${query}>; rel="next"` };
}

/** How many entries a page has. Throws PAGINATION_NUMBER_INVALID. */
export function pageLimit(query: URLSearchParams, standard: number): number {
  const text = query.get("n");
  if (text === null) return standard;
  if (!/^\d{1,9}$/.test(text))
    throw new Refusal("PAGINATION_NUMBER_INVALID", undefined, { detail: { n: text.slice(0, 32) } });
  return Math.min(Number(text), standard);
}
