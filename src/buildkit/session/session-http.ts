import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";

/**
 * gRPC metadata may repeat a key, which `Headers` would join by commas that patterns may hold themselves. Such values
 * travel here as one value, escaped and joined by this sign, and are parted before they are sent.
 */
const repeatSign = "|";
const repeatedKey = /^repeat-/;

/** A value for `Headers` that is sent as several of the same key. Empty lists send nothing. */
export function setRepeated(headers: Headers, key: string, values: readonly string[]): void {
  if (values.length === 0) return;
  headers.set(`repeat-${key}`, values.map((value) => encodeURIComponent(value)).join(repeatSign));
  // BuildKit's own rule for what is no plain text: escaped, and said so
  if (values.some((value) => /[^\x20-\x7e]/.test(value))) headers.set(`${key}-encoded`, "1");
}

/** Calls over one HTTP/2 session, for Connect's gRPC protocol. */
export function sessionHttp(session: () => ClientHttp2Session, closed: AbortSignal): UniversalClientFn {
  return async ({ url, method, header, body, signal: given }) => {
    const signal = given ? AbortSignal.any([given, closed]) : closed;
    const stream = session().request(outgoing(new URL(url).pathname, method, header), {
      endStream: body === undefined,
    });
    const abort = (): void => stream.close(0x8); // CANCEL, RFC 9113 section 7
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    const ended = Promise.withResolvers<void>();
    ended.promise.catch(() => {}); // looked at by whoever reads
    stream.once("error", ended.reject).once("close", () => {
      signal.removeEventListener("abort", abort);
      ended.resolve();
    });
    const trailer = new Headers();
    stream.on("trailers", (headers: IncomingHttpHeaders) => copyHeaders(headers, trailer));
    const answered = Promise.withResolvers<IncomingHttpHeaders>();
    stream.once("response", answered.resolve);
    if (body) void send(stream, body, ended.promise);
    const response = await Promise.race([
      answered.promise,
      ended.promise.then(
        () => undefined,
        () => undefined,
      ),
    ]);
    if (!response)
      throw new ConnectError("the build's client is gone", signal.aborted ? Code.Canceled : Code.Unavailable);
    const answer = new Headers();
    copyHeaders(response, answer);
    return { status: Number(response[":status"] ?? 0), header: answer, body: untilAborted(stream, signal), trailer };
  };
}

/** A stream's pieces; a stream that is cut does not end by itself in every case (Bun 1.4.5), so the signal ends it. */
async function* untilAborted(stream: ClientHttp2Stream, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {}); // raced below, or nobody reads any more
  const abort = (): void => aborted.reject(new ConnectError("the build's client is gone", Code.Canceled));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  const pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  try {
    for (;;) {
      const next = await Promise.race([pieces.next(), aborted.promise]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    stream.close(0x8);
  }
}

async function send(stream: ClientHttp2Stream, body: AsyncIterable<Uint8Array>, ended: Promise<void>): Promise<void> {
  try {
    for await (const piece of body) {
      if (stream.destroyed || stream.closed) return;
      if (!stream.write(piece)) {
        const drained = Promise.withResolvers<void>();
        stream.once("drain", drained.resolve);
        await Promise.race([drained.promise, ended.catch(() => {})]);
      }
    }
    stream.end();
  } catch {
    stream.close(0x8); // the source failed: whoever made it knows why
  }
}

function outgoing(path: string, method: string, header: Headers): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    ":method": method,
    ":path": path,
    ":scheme": "http",
    ":authority": "localhost",
  };
  for (const [key, value] of header) {
    if (repeatedKey.test(key)) continue;
    headers[key] = value;
  }
  for (const [key, value] of header) {
    if (!repeatedKey.test(key)) continue;
    const name = key.replace(repeatedKey, "");
    const values = value.split(repeatSign);
    headers[name] = header.has(`${name}-encoded`) ? values : values.map(decodeURIComponent);
  }
  return headers;
}

function copyHeaders(from: IncomingHttpHeaders, to: Headers): void {
  for (const [key, value] of Object.entries(from)) {
    if (key.startsWith(":") || value === undefined) continue;
    to.set(key, Array.isArray(value) ? value.join(", ") : value);
  }
}
