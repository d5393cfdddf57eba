import { EngineError } from "../../base/errors.ts";
import type { OciDescriptor } from "../../spec/oci/descriptor.ts";
import { discard } from "../http/answer-body.ts";
import { cancelled } from "./cancelled.ts";
import { checkDigest } from "./digest.ts";
import type { Endpoint } from "../endpoints.ts";
import { answerFailure, facts } from "../http/failure.ts";
import { pullScope, pushScope } from "../manifests.ts";
import { mayRetry, pause, retrying, type RetryPolicy } from "./retry.ts";

export interface Upload {
  readonly descriptor: OciDescriptor;
  readonly open: (offsetBytes: number) => AsyncIterable<Uint8Array>;
  readonly endpoint: Endpoint;
  /** Repositories of the same registry that may have the blob. */
  readonly from: readonly string[];
  readonly sent: (bytes: number) => void;
  /** Told the repository that gave the blob. */
  readonly mounted: (from: string) => void;
  readonly policy: RetryPolicy;
  readonly signal: AbortSignal | undefined;
}

/** A blob of this size goes with the request that ends the upload. */
const smallBytes = 64 * 1024;
/** A registry may take long to put a large blob where it keeps it. */
const commitMs = 15 * 60_000;
const cancelMs = 5_000;
/** Sizes of chunks where a proxy refuses longer bodies (413). */
const chunkSteps = [Number.POSITIVE_INFINITY, 64 * 1024 * 1024, 8 * 1024 * 1024, 1024 * 1024];

/** Whether the registry has a blob. */
export async function hasBlob(
  { server, path }: Endpoint,
  digest: string,
  { signal, scope = pullScope(path) }: { signal: AbortSignal | undefined; scope?: string },
): Promise<boolean> {
  checkDigest(digest);
  const { response } = await server.ask({
    method: "HEAD",
    at: `${path}/blobs/${digest}`,
    scopes: [scope],
    signal,
    stay: true, // to where a blob lies one is sent only when it is there
  });
  await discard(response);
  if (response.status === 200 || (response.status > 300 && response.headers.has("location"))) return true;
  if (response.status === 404) return false;
  throw await answerFailure(response);
}

/** Brings a blob into a repository in the cheapest way that works. An upload that is given up is cancelled there. */
export async function uploadBlob(upload: Upload): Promise<"uploaded" | "mounted" | "exists"> {
  const { endpoint, descriptor, policy, signal } = upload;
  const here = (): Promise<boolean> =>
    hasBlob(endpoint, descriptor.digest, { signal, scope: pushScope(endpoint.path) });
  const isThere = retrying(here, policy, signal).catch((error: unknown) => {
    // who may write and not read is told by the upload what is wrong, if anything is
    if (facts(error).status === 401 || facts(error).status === 403) return false;
    throw error;
  });
  if (await isThere) return "exists";
  const mounted = await mount(upload);
  if (mounted === "mounted") return mounted;
  let session: Session | undefined = mounted;
  let [failures, reached, step] = [0, 0, 0];
  for (;;) {
    session ??= await retrying(() => begin(upload), { ...policy, insist: true }, signal);
    try {
      await send(upload, session, chunkSteps[step] ?? smallBytes);
      return "uploaded";
    } catch (error) {
      const giveUp = async (why: unknown): Promise<never> => {
        if (session) await cancel(endpoint, session);
        throw why;
      };
      if (signal?.aborted) return giveUp(cancelled());
      const { status, code = "" } = facts(error);
      // the same bytes in smaller parts, or from where the registry says it is, are no repetition
      const useful =
        (status === 413 && step + 1 < chunkSteps.length) ||
        status === 416 ||
        code.startsWith("BLOB_UPLOAD") || // it has lost the upload
        mayRetry(error);
      if (!useful) return giveUp(error);
      if (status === 413) step++;
      let state: Session | undefined = await progress(endpoint, session, signal);
      // the answer to the last request may be what was lost
      if (state === undefined && (await here().catch(() => false))) return "uploaded";
      failures = state !== undefined && state.offset > reached ? 1 : failures + 1;
      reached = state?.offset ?? 0;
      if (failures >= policy.attempts) return giveUp(error);
      if (failures === 2 && step === 0) step = 1; // a proxy may cut what is too long for it without a word
      if (status !== 413) await pause(error, failures, policy, signal);
      if (status === 416 && state?.offset === session.offset) {
        await cancel(endpoint, state); // it wants another place than the one it names
        state = undefined;
      }
      session = state;
    }
  }
}

/** An upload at the registry. Every answer may move it. */
interface Session {
  /** Where the next request goes. */
  at: URL;
  /** Bytes that the registry has. */
  offset: number;
  /** OCI-Chunk-Min-Length. */
  minChunkBytes: number;
}

/** Tries every repository; the session that a refusal opens is used for the upload. */
async function mount(upload: Upload): Promise<Session | "mounted" | undefined> {
  const { endpoint, descriptor, from, signal, policy } = upload;
  let session: Session | undefined;
  for (const source of from.filter((path) => path !== endpoint.path)) {
    if (session) await cancel(endpoint, session);
    session = undefined;
    const query = new URLSearchParams({ mount: descriptor.digest, from: source });
    try {
      const { response, url } = await retrying(
        () =>
          endpoint.server.expect(
            {
              method: "POST",
              at: `${endpoint.path}/blobs/uploads/?${query}`,
              headers: { "Content-Length": "0" },
              scopes: [pushScope(endpoint.path), pullScope(source)],
              signal,
            },
            201,
            202,
          ),
        policy,
        signal,
      );
      await discard(response);
      if (response.status === 201) {
        upload.mounted(source);
        return "mounted";
      }
      session = sessionOf(response, url);
    } catch (error) {
      if (signal?.aborted) throw cancelled();
      // no right to read there, or no mounting here: the upload will tell what is really wrong
      if (mayRetry(error)) throw error;
    }
  }
  return session;
}

async function begin({ endpoint, signal }: Upload): Promise<Session> {
  const { response, url } = await endpoint.server.expect(
    {
      method: "POST",
      at: `${endpoint.path}/blobs/uploads/`,
      headers: { "Content-Length": "0" },
      scopes: [pushScope(endpoint.path)],
      signal,
    },
    202,
  );
  await discard(response);
  return sessionOf(response, url);
}

/** Sends what is missing and ends the upload. */
async function send(upload: Upload, session: Session, most: number): Promise<void> {
  const { descriptor, endpoint } = upload;
  const partBytes = Math.max(most, session.minChunkBytes);
  while (descriptor.size - session.offset > smallBytes)
    await part(upload, session, Math.min(descriptor.size, session.offset + partBytes));
  const at = new URL(session.at);
  // as text: a registry may have signed the query as it is
  at.search = `${at.search === "" ? "?" : `${at.search}&`}digest=${encodeURIComponent(descriptor.digest)}`;
  const { response } = await endpoint.server.expect(
    {
      method: "PUT",
      at,
      ...bodyOf(upload, session.offset, descriptor.size),
      scopes: [pushScope(endpoint.path)],
      signal: upload.signal,
      answerMs: commitMs,
    },
    201,
    204,
  );
  await discard(response);
  upload.sent(descriptor.size);
}

/** OCI distribution-spec 1.1, "Pushing a blob in chunks"; one that holds all is docker's streamed upload. */
async function part(upload: Upload, session: Session, end: number): Promise<void> {
  const { endpoint, descriptor } = upload;
  const body = bodyOf(upload, session.offset, end);
  const whole = session.offset === 0 && end === descriptor.size;
  const { response, url } = await endpoint.server.expect(
    {
      method: "PATCH",
      at: session.at,
      ...body,
      headers: { ...body.headers, ...(!whole && { "Content-Range": `${session.offset}-${end - 1}` }) },
      scopes: [pushScope(endpoint.path)],
      signal: upload.signal,
      answerMs: commitMs,
    },
    202,
    204,
  );
  await discard(response);
  session.at = locationOf(response, url) ?? session.at;
  const got = rangeEnd(response) ?? end;
  if (got !== end)
    throw new EngineError("unavailable", `the registry took ${got} of ${end} bytes`, { transient: true });
  session.offset = end;
}

function bodyOf({ open, sent }: Upload, offset: number, end: number) {
  if (end === offset) return { headers: { "Content-Length": "0" } };
  return {
    headers: { "Content-Type": "application/octet-stream", "Content-Length": String(end - offset) },
    body: () => slice(open(offset), end - offset, (bytes) => sent(offset + bytes)),
  };
}

/** The first bytes of a source, told as they are taken. */
async function* slice(
  source: AsyncIterable<Uint8Array>,
  length: number,
  taken: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const bytes of source) {
    const wanted = bytes.length > length - done ? bytes.subarray(0, length - done) : bytes;
    done += wanted.length;
    yield wanted;
    taken(done);
    if (done === length) return;
  }
  throw new EngineError("internal", `the content ended after ${done} of ${length} bytes`);
}

/** Asks where an interrupted upload stands; undefined when the registry has forgotten it. */
async function progress(
  { server, path }: Endpoint,
  session: Session,
  signal: AbortSignal | undefined,
): Promise<Session | undefined> {
  try {
    const { response, url } = await server.ask({ method: "GET", at: session.at, scopes: [pushScope(path)], signal });
    await discard(response);
    if (response.status !== 204 && response.status !== 202 && response.status !== 200) return undefined;
    return { ...session, at: locationOf(response, url) ?? session.at, offset: rangeEnd(response) ?? 0 };
  } catch {
    return undefined; // begins anew
  }
}

/** Best effort: a registry drops uploads by itself after some days. */
async function cancel({ server, path }: Endpoint, session: Session): Promise<void> {
  try {
    const { response } = await server.ask({
      method: "DELETE",
      at: session.at,
      scopes: [pushScope(path)],
      signal: AbortSignal.timeout(cancelMs),
    });
    await discard(response);
  } catch {
    // why the upload ended is told, not this
  }
}

function sessionOf(response: Response, from: URL): Session {
  const at = locationOf(response, from);
  if (!at) throw new EngineError("invalid", `${from.origin} gives no address to upload to`);
  const least = Number(response.headers.get("oci-chunk-min-length") ?? 0);
  return { at, offset: 0, minChunkBytes: Number.isSafeInteger(least) && least > 0 ? least : 0 };
}

/** Throws `invalid` for an address that must not get the bytes. */
function locationOf(response: Response, from: URL): URL | undefined {
  const location = response.headers.get("location");
  if (location === null) return undefined;
  const at = URL.parse(location, from);
  if (!at || !/^https?:$/.test(at.protocol))
    throw new EngineError("invalid", `${from.origin} gives no address to upload to`);
  if (at.protocol === "http:" && from.protocol === "https:") {
    // behind a proxy that ends TLS, registries think they speak HTTP
    if (at.hostname !== from.hostname)
      throw new EngineError(
        "invalid",
        `${from.origin} leads an upload from https to http (${at.origin}): not followed`,
      );
    at.protocol = "https:";
    at.port = from.port;
  }
  return at;
}

/** `Range: 0-N`: N is the last byte it has; `0-0` is also what an empty upload says. */
function rangeEnd(response: Response): number | undefined {
  const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.headers.get("range") ?? "")?.[1];
  return last === undefined ? undefined : Number(last) === 0 ? 0 : Number(last) + 1;
}
