import { EngineError } from "../base/errors.ts";
import { defaultDomain } from "../spec/reference.ts";
import { readLimited } from "./http/answer-body.ts";
import type { Endpoints } from "./endpoints.ts";
import { answerFailure, facts } from "./http/failure.ts";
import { pages } from "./listing.ts";
import { registryDomain } from "./auth/login.ts";
import type { Cancel, Credentials, SearchHit } from "./registries.ts";
import { retrying, type RetryPolicy } from "./transfer/retry.ts";
import type { Server } from "./server.ts";

/** Docker Hub's search lives at the host of the old index. */
const hubSearchHost = "index.docker.io";
const maxAnswerBytes = 4 * 1024 * 1024;
const maxLimit = 100; // moby's

/** `debian`, `host:5000/debian`. A registry without the v1 search is asked for its catalogue. */
export async function search(
  { endpoints, policy }: { endpoints: Endpoints; policy: RetryPolicy },
  term: string,
  { limit, credentials = {}, signal }: Cancel & { limit: number; credentials?: Credentials },
): Promise<readonly SearchHit[]> {
  if (limit < 0 || limit > maxLimit)
    throw new EngineError("invalid", `Limit ${limit} is outside the range of [1, ${maxLimit}]`);
  if (term.includes("://"))
    throw new EngineError("invalid", `invalid repository name: repository name (${term}) should not have a scheme`);
  const { domain, name } = splitTerm(term);
  const server = await endpoints.registry(domain === defaultDomain ? hubSearchHost : domain, credentials);
  const most = limit === 0 ? 25 : limit; // moby's default
  const hits = await retrying(() => searchV1(server, name, most, signal), policy, signal);
  if (hits !== undefined) return hits.slice(0, most);
  if (domain === defaultDomain) throw new EngineError("unavailable", "the search of Docker Hub gives no results");
  return searchCatalog(server, name, { most, policy, ...(signal && { signal }) });
}

function splitTerm(term: string): { domain: string; name: string } {
  const slash = term.indexOf("/");
  const first = slash < 0 ? "" : term.slice(0, slash);
  if (slash < 0 || !(first.includes(".") || first.includes(":") || first === "localhost"))
    return { domain: defaultDomain, name: term.replace(/^library\//, "") };
  return { domain: registryDomain(first), name: term.slice(slash + 1) };
}

/** Undefined where the server has no such search. */
async function searchV1(
  server: Server,
  name: string,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<SearchHit[] | undefined> {
  const base = await server.base(signal);
  const at = new URL("v1/search", base);
  at.searchParams.set("q", name);
  at.searchParams.set("n", String(limit));
  const { response } = await server.ask({ method: "GET", at, scopes: [], signal });
  if (response.status !== 200) {
    const failure = await answerFailure(response);
    if (facts(failure).transient === true || response.status === 401) throw failure;
    return undefined;
  }
  const bytes = await readLimited(response, { maxBytes: maxAnswerBytes, stallMs: server.stallMs });
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined; // a page for people
  }
  const { results } = (answer ?? {}) as { results?: unknown };
  return Array.isArray(results) ? results.map(readHit).filter((hit) => hit !== undefined) : undefined;
}

function readHit(value: unknown): SearchHit | undefined {
  if (value === null || typeof value !== "object") return undefined;
  const { name, description, star_count, is_official, is_automated } = value as Record<string, unknown>;
  if (typeof name !== "string") return undefined;
  return {
    name,
    description: typeof description === "string" ? description : "",
    stars: typeof star_count === "number" ? star_count : 0,
    official: is_official === true,
    automated: is_automated === true,
  };
}

async function searchCatalog(
  server: Server,
  name: string,
  { most, policy, signal }: Cancel & { most: number; policy: RetryPolicy },
): Promise<SearchHit[]> {
  const hits: SearchHit[] = [];
  const options = { at: "_catalog?n=1000", scopes: [], member: "repositories", policy, ...(signal && { signal }) };
  for await (const page of pages(server, options)) {
    for (const repository of page) {
      if (typeof repository !== "string" || !repository.includes(name)) continue;
      hits.push({ name: repository, description: "", stars: 0, official: false, automated: false });
      if (hits.length === most) return hits;
    }
  }
  return hits;
}
