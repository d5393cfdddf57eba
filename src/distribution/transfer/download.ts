import { EngineError } from "../../base/errors.ts";
import type { OciDescriptor } from "../../spec/oci/descriptor.ts";
import { answerBytes, discard } from "../http/answer-body.ts";
import { cancelled } from "./cancelled.ts";
import { checkDigest, hasherFor } from "./digest.ts";
import type { Endpoint } from "../endpoints.ts";
import { answerFailure, isServersFault } from "../http/failure.ts";
import { pullScope } from "../manifests.ts";
import { mayRetry, pause, type RetryPolicy } from "./retry.ts";

export interface Download {
  readonly descriptor: OciDescriptor;
  /** In the order they are asked; at least one. */
  readonly endpoints: readonly Endpoint[];
  readonly policy: RetryPolicy;
  readonly offsetBytes: number;
  readonly restarted: (() => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A cut connection that brought less does not count as progress: a server could keep us for ever. */
const progressBytes = 64 * 1024;
const mirrorAttempts = 2;

/**
 * The bytes of a blob from an offset on. A cut, a stall or an error of a server is tried again where it happened, then
 * at the next endpoint, always from the byte that is missing. Bytes that came over mirrors are checked here at the
 * end: when they are wrong, all mirrors that took part are left out and it begins again.
 */
export async function* downloadBlob(download: Download): AsyncGenerator<Uint8Array> {
  const { descriptor, signal, restarted } = download;
  let queue = [...download.endpoints];
  const used = new Set<Endpoint>();
  let offset = download.offsetBytes;
  checkDigest(descriptor.digest);
  const verify = offset === 0 && queue.some(({ isMirror }) => isMirror);
  let hasher = hasherFor(descriptor.digest);
  let failures = 0;
  let worst: unknown;
  for (;;) {
    const [endpoint] = queue;
    if (endpoint === undefined) throw worst;
    const before = offset;
    try {
      while (offset < descriptor.size) {
        const partAt = offset;
        for await (const bytes of range(endpoint, descriptor, { offset, signal })) {
          used.add(endpoint);
          offset += bytes.length;
          if (verify) hasher.update(bytes);
          yield bytes;
        }
        if (offset < descriptor.size && offset - partAt < progressBytes)
          throw new EngineError("unavailable", "the registry gives the blob in crumbs", { transient: true });
      }
    } catch (error) {
      if (signal?.aborted) throw cancelled();
      if (!endpoint.isMirror || worst === undefined) worst = error;
      failures = offset - before >= progressBytes ? 1 : failures + 1;
      if (mayRetry(error) && failures < (endpoint.isMirror ? mirrorAttempts : download.policy.attempts)) {
        await pause(error, failures, download.policy, signal);
        continue;
      }
      if (endpoint.isMirror && isServersFault(error)) endpoint.server.rest();
      queue = queue.slice(1);
      failures = 0;
      continue;
    }
    const mirrors = [...used].filter(({ isMirror }) => isMirror);
    if (!verify || mirrors.length === 0) return;
    const digest = `${descriptor.digest.split(":")[0]}:${hasher.digest("hex")}`;
    if (digest === descriptor.digest) return;
    worst = new EngineError("invalid", `the content's digest is ${digest}, not ${descriptor.digest}`, { digest });
    for (const { server } of mirrors) server.rest();
    if (restarted === undefined) throw worst;
    queue = download.endpoints.filter((one) => !used.has(one) || !one.isMirror);
    used.clear();
    offset = 0;
    hasher = hasherFor(descriptor.digest);
    restarted();
  }
}

/** One request's bytes, exactly those from `offset` on; fewer when the server gives a shorter part. */
async function* range(
  { server, path }: Endpoint,
  descriptor: OciDescriptor,
  { offset, signal }: { offset: number; signal: AbortSignal | undefined },
): AsyncGenerator<Uint8Array> {
  const { response } = await server.ask({
    method: "GET",
    at: `${path}/blobs/${descriptor.digest}`,
    headers: offset > 0 ? { Range: `bytes=${offset}-` } : {},
    scopes: [pullScope(path)],
    signal,
  });
  const { start, end } = await extent(response, descriptor, offset);
  // a server without ranges sends all: what is here already is passed over
  let skip = offset - start;
  let left = end - start;
  for await (const bytes of answerBytes(response, { stallMs: server.stallMs })) {
    left -= bytes.length;
    if (left < 0) throw lie(descriptor, `it is longer than ${descriptor.size} bytes`);
    if (skip >= bytes.length) {
      skip -= bytes.length;
      continue;
    }
    const wanted = skip > 0 ? bytes.subarray(skip) : bytes;
    skip = 0;
    yield wanted;
  }
  if (left > 0) throw new EngineError("unavailable", "unexpected EOF", { transient: true });
}

/** Which bytes an answer holds, by its head. Throws for what cannot be the part that was asked for. */
async function extent(
  response: Response,
  descriptor: OciDescriptor,
  offset: number,
): Promise<{ start: number; end: number }> {
  const { size } = descriptor;
  const declared = response.headers.get("content-length");
  if (response.status === 200) {
    if (declared !== null && Number(declared) !== size)
      throw await drop(response, lie(descriptor, `it is ${declared} bytes long, not ${size}`));
    return { start: 0, end: size };
  }
  if (response.status === 206) {
    const [, first, last, total] =
      /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(response.headers.get("content-range") ?? "") ?? [];
    const end = Number(last) + 1;
    const fits = Number(first) === offset && end > offset && end <= size && (total === "*" || Number(total) === size);
    if (!fits || (declared !== null && Number(declared) !== end - offset))
      throw await drop(response, lie(descriptor, "the registry gave another range than the one asked for"));
    return { start: offset, end };
  }
  if (response.status === 416) throw await drop(response, lie(descriptor, `it is shorter than ${size} bytes`));
  if (response.status >= 400) throw await answerFailure(response);
  throw await drop(response, lie(descriptor, `received unexpected HTTP status: ${response.status}`));
}

async function drop(response: Response, error: EngineError): Promise<EngineError> {
  await discard(response);
  return error;
}

const lie = ({ digest }: OciDescriptor, what: string): EngineError =>
  new EngineError("invalid", `the registry's blob ${digest} is not what its manifest says: ${what}`, { digest });
