import { errorMessage } from "../../base/errors.ts";
import { administer } from "../admin/routes.ts";
import type { RepositoryAction } from "../auth/caller.ts";
import { getToken, postToken } from "../auth/token-endpoint.ts";
import { Refusal } from "../refusal.ts";
import type { Services } from "../services.ts";
import { asRefusal, empty, json, refusalAnswer } from "./answer.ts";
import { deleteBlob, getBlob } from "./blobs.ts";
import type { Exchange } from "./exchange.ts";
import { listReferrers, listRepositories, listTags, listUpstreamTags } from "./lists.ts";
import { getManifest, pushManifest, removeManifest } from "./manifests.ts";
import { route, type Target } from "./router.ts";
import { appendUpload, cancelUpload, finishUpload, startUpload, uploadStatus } from "./uploads.ts";

/** Where a request came from; an empty address is the local socket. */
export interface From {
  readonly address: string;
  readonly patient: () => void;
}

/** Answers one request; never rejects. */
export async function handle(services: Services, request: Request, { address, patient }: From): Promise<Response> {
  const startedAt = performance.now();
  let kind = "unknown";
  let answer: Response;
  try {
    const pathStart = request.url.indexOf("/", request.url.indexOf("://") + 3);
    const queryStart = request.url.indexOf("?", pathStart);
    const path = queryStart < 0 ? request.url.slice(pathStart) : request.url.slice(pathStart, queryStart);
    const target = route(path);
    if (target === undefined) throw new Refusal("UNSUPPORTED", "there is nothing at this address", { status: 404 });
    kind = target.kind;
    const identified = services.access.identify(request, address);
    const caller = identified instanceof Promise ? await identified : identified;
    const exchange: Exchange = {
      request,
      caller,
      services,
      patient,
      query: new URLSearchParams(queryStart < 0 ? "" : request.url.slice(queryStart + 1)),
      need(repository: string, ...actions: RepositoryAction[]) {
        if (actions.every((action) => caller.may(action, repository))) return;
        const refusal = services.access.refuse(request, caller, [{ repository, actions }]);
        services.core.tell({ action: "refused", caller, repository, note: actions.join(",") });
        throw refusal;
      },
    };
    const given = dispatch(exchange, target);
    answer = given instanceof Promise ? await given : given;
  } catch (error) {
    answer = failed(services, request, error);
  }
  services.metrics.observe(kind, request.method, { status: answer.status, ms: performance.now() - startedAt });
  return answer;
}

function dispatch(exchange: Exchange, target: Target): Response | Promise<Response> {
  const { method } = exchange.request;
  const isRead = method === "GET" || method === "HEAD";
  if (!isRead && method !== "DELETE" && "repository" in target && exchange.services.cache?.covers(target.repository))
    throw new Refusal("UNSUPPORTED", `${target.repository} is a cache of another registry: push there`);
  switch (target.kind) {
    case "base":
      if (isRead) return base(exchange);
      break;
    case "catalog":
      if (isRead) return catalog(exchange);
      break;
    case "manifest":
      if (isRead) return getManifest(exchange, target);
      if (method === "PUT") return pushManifest(exchange, target);
      if (method === "DELETE") return removeManifest(exchange, target);
      break;
    case "blob":
      if (isRead) return getBlob(exchange, target);
      if (method === "DELETE") return deleteBlob(exchange, target);
      break;
    case "uploads":
      if (method === "POST") return startUpload(exchange, target);
      break;
    case "upload":
      if (isRead) return uploadStatus(exchange, target);
      if (method === "PATCH") return appendUpload(exchange, target);
      if (method === "PUT") return finishUpload(exchange, target);
      if (method === "DELETE") return cancelUpload(exchange, target);
      break;
    case "tags":
      if (isRead) return tagsOf(exchange, target);
      break;
    case "referrers":
      if (isRead) return listReferrers(exchange, target);
      break;
    case "token":
      if (method === "GET") return getToken(exchange.services.tokens, exchange.request, addressed(exchange));
      if (method === "POST") return postToken(exchange.services.tokens, exchange.request, exchange.caller.address);
      break;
    case "metrics":
      if (isRead) return metricsPage(exchange);
      break;
    case "admin":
      return administer(exchange, target.path);
    case "health":
      if (isRead) return json({ status: "ok" });
      break;
  }
  throw new Refusal("UNSUPPORTED");
}

function tagsOf(exchange: Exchange, target: { repository: string }): Response | Promise<Response> {
  const { cache } = exchange.services;
  return cache?.covers(target.repository) === true
    ? listUpstreamTags(exchange, target, cache)
    : listTags(exchange, target);
}

const addressed = ({ query, caller }: Exchange) => ({ query, address: caller.address });

/** Numbers about all repositories: for administrators, and for callers that may list. */
async function metricsPage({ request, caller, services }: Exchange): Promise<Response> {
  if (!caller.mayList) throw services.access.refuse(request, caller, []);
  return new Response(await services.metrics.page(), { headers: { "Content-Type": services.metrics.contentType } });
}

/** The first request of every client: whether this is a registry, and whether to log in. */
function base({ request, caller, services }: Exchange): Response {
  if (caller.kind === "anonymous" && services.access.asksToLogIn) throw services.access.refuse(request, caller, []);
  return json({}, { "Docker-Distribution-Api-Version": "registry/2.0" });
}

function catalog(exchange: Exchange): Response {
  const { request, caller, services } = exchange;
  if (!caller.mayList) throw services.access.refuse(request, caller, []);
  return listRepositories(exchange);
}

function failed(services: Services, request: Request, error: unknown): Response {
  if (request.signal.aborted) return empty(499); // the client is gone: nobody reads this
  const refusal = asRefusal(error);
  if (refusal.status >= 500)
    services.core.log.error("a request failed", {
      method: request.method,
      url: request.url,
      error: errorMessage(error),
      ...(!(error instanceof Refusal) && { cause: error }),
    });
  return refusalAnswer(refusal);
}
