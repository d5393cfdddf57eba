import { EngineError } from "../base/errors.ts";
import { readLimited } from "./http/answer-body.ts";
import type { Cancel } from "./registries.ts";
import { retrying, type RetryPolicy } from "./transfer/retry.ts";
import type { Server } from "./server.ts";

const maxPageBytes = 32 * 1024 * 1024; // docker-registry gives all tags in one
const maxPages = 100_000;

/** JSON lists that a registry gives in pages (`Link: <...>; rel="next"`), page by page. */
export async function* pages(
  server: Server,
  options: Cancel & { at: string; scopes: readonly string[]; member: string; policy: RetryPolicy },
): AsyncGenerator<unknown[]> {
  const base = await server.base(options.signal);
  const seen = new Set<string>();
  let at: URL | undefined = new URL(`v2/${options.at}`, base);
  while (at !== undefined) {
    const here: URL = at;
    const { values, next } = await retrying(() => page(server, here, options), options.policy, options.signal);
    yield values;
    at = next === undefined ? undefined : nextPage(next, here);
    if (at === undefined) return;
    if (seen.has(at.href) || seen.size > maxPages) throw new EngineError("invalid", `${base.origin} lists without end`);
    seen.add(at.href);
  }
}

async function page(
  server: Server,
  at: URL,
  { scopes, member, signal }: Cancel & { scopes: readonly string[]; member: string },
): Promise<{ values: unknown[]; next: string | undefined }> {
  const { response } = await server.expect({ method: "GET", at, scopes, signal }, 200);
  const bytes = await readLimited(response, { maxBytes: maxPageBytes, stallMs: server.stallMs });
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new EngineError("invalid", `${at.origin} gives a list that is not JSON`);
  }
  const list = answer === null || typeof answer !== "object" ? undefined : (answer as Record<string, unknown>)[member];
  return { values: Array.isArray(list) ? list : [], next: readNext(response.headers.get("link")) };
}

/** RFC 8288, as registries use it. */
export function readNext(header: string | null): string | undefined {
  for (const [, target, parameters = ""] of (header ?? "").matchAll(/<([^<>]{0,8000})>([^,]*)/g))
    if (/;\s*rel="?next"?/i.test(parameters)) return target;
  return undefined;
}

function nextPage(link: string, from: URL): URL {
  const next = URL.parse(link, from);
  if (next === null || next.origin !== from.origin)
    throw new EngineError("invalid", `${from.origin} continues its list at another host: not followed`);
  return next;
}
