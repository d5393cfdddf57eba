import { repositoriesAfter, repositoryId } from "../books/repositories.ts";
import { mediaTypes } from "../../spec/oci/descriptor.ts";
import type { PullThrough } from "../cache/pull-through.ts";
import { checkDigest } from "../names.ts";
import { tagsAfter } from "../manifests/manifests.ts";
import { referrersIndex, referrersOf } from "../manifests/referrers.ts";
import { Refusal } from "../refusal.ts";
import { json, nextPage, pageLimit } from "./answer.ts";
import type { Exchange } from "./exchange.ts";

const maxTags = 10_000; // clients that do not turn pages see what most repositories have
const maxRepositories = 1000;
const maxReferrers = 1000;

/** GET of a repository's tags. */
export function listTags(exchange: Exchange, { repository }: { repository: string }): Response {
  const { services, query } = exchange;
  exchange.need(repository, "pull");
  const limit = pageLimit(query, maxTags);
  const id = repositoryId(services.core.db, repository);
  if (id === undefined) throw new Refusal("NAME_UNKNOWN", undefined, { detail: { name: repository } });
  const found = tagsAfter(services.core.db, id, { last: query.get("last") ?? "", limit: limit + 1 });
  const tags = found.slice(0, limit).map(({ name }) => name);
  const more = limit > 0 && found.length > limit;
  return json(
    { name: repository, tags },
    more ? nextPage(`/v2/${repository}/tags/list`, { last: tags.at(-1) ?? "", limit }) : {},
  );
}

/** As listTags(), of a repository of another registry: its tags and those that are here, in one page. */
export async function listUpstreamTags(
  exchange: Exchange,
  { repository }: { repository: string },
  cache: PullThrough,
): Promise<Response> {
  const { services, query } = exchange;
  exchange.need(repository, "pull");
  const limit = pageLimit(query, maxTags);
  const id = repositoryId(services.core.db, repository);
  const here = id === undefined ? [] : tagsAfter(services.core.db, id, { last: "", limit: maxTags });
  const there = await cache.tags(repository, maxTags);
  if (there === undefined && id === undefined)
    throw new Refusal("NAME_UNKNOWN", undefined, { detail: { name: repository } });
  const last = query.get("last") ?? "";
  const all = [...new Set([...here.map(({ name }) => name), ...(there ?? [])])].filter((name) => name > last).sort();
  const tags = all.slice(0, limit);
  const more = limit > 0 && all.length > limit;
  return json(
    { name: repository, tags },
    more ? nextPage(`/v2/${repository}/tags/list`, { last: tags.at(-1) ?? "", limit }) : {},
  );
}

/** GET of all repositories that the caller may pull. */
export function listRepositories(exchange: Exchange): Response {
  const { services, query, caller } = exchange;
  const limit = pageLimit(query, maxRepositories);
  const repositories: string[] = [];
  let last = query.get("last") ?? "";
  let more = limit > 0;
  // pages of the books are looked through until as many are found as were asked for, and one more
  while (more && repositories.length <= limit) {
    const page = repositoriesAfter(services.core.db, last, maxRepositories);
    last = page.at(-1) ?? last;
    more = page.length === maxRepositories;
    for (const name of page) if (caller.may("pull", name)) repositories.push(name);
  }
  const shown = repositories.slice(0, limit);
  return json(
    { repositories: shown },
    repositories.length > limit && limit > 0 ? nextPage("/v2/_catalog", { last: shown.at(-1) ?? "", limit }) : {},
  );
}

/** GET of what refers to a manifest: OCI distribution-spec 1.1, "Listing Referrers". Never 404: nobody refers yet. */
export function listReferrers(exchange: Exchange, target: { repository: string; digest: string }): Response {
  const { services, query } = exchange;
  const { repository, digest } = target;
  exchange.need(repository, "pull");
  checkDigest(digest);
  const artifactType = query.get("artifactType") ?? undefined;
  const limit = pageLimit(query, maxReferrers);
  const found = referrersOf(services.core.db, repository, {
    subject: digest,
    artifactType,
    last: query.get("last") ?? "",
    limit: limit + 1,
  });
  const shown = found.slice(0, limit);
  const next = nextPage(`/v2/${repository}/referrers/${digest}`, { last: shown.at(-1)?.digest ?? "", limit });
  const filter = artifactType === undefined ? "" : `&artifactType=${encodeURIComponent(artifactType)}`;
  return json(referrersIndex(shown), {
    "Content-Type": mediaTypes.ociIndex,
    ...(artifactType !== undefined && { "OCI-Filters-Applied": "artifactType" }),
    ...(found.length > limit && limit > 0 && { Link: next["Link"]?.replace(">", `${filter}>`) ?? "" }),
  });
}
