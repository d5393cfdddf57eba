import { Readable } from "node:stream";
import { EngineError, errorMessage } from "../base/errors.ts";
import { type ProxySettings, proxyFor } from "../distribution/http/proxies.ts";
import type { Report } from "./images.ts";

const stallMs = 60_000; // a server that sends nothing for so long is given up
const reportBytes = 1024 * 1024;

/** What is behind an address, `http://host/rootfs.tar`, as a stream. */
export async function openAddress(
  text: string,
  options: { report: Report; proxies: ProxySettings; signal?: AbortSignal },
): Promise<Readable> {
  const url = addressOf(text);
  options.report({ status: `Downloading from ${url.href}` });
  const stalled = new AbortController();
  let timer = setTimeout(() => stalled.abort(), stallMs);
  const proxy = proxyFor(url, options.proxies);
  const failed = (error: unknown): EngineError =>
    new EngineError(
      options.signal?.aborted ? "cancelled" : "unavailable",
      stalled.signal.aborted
        ? `${url.href} sent nothing for ${stallMs / 1000} seconds`
        : `cannot download ${url.href}: ${errorMessage(error)}`,
      {},
      { cause: error },
    );
  const response = await fetch(url, {
    signal: options.signal ? AbortSignal.any([options.signal, stalled.signal]) : stalled.signal,
    // Bun's own limit is 5 minutes from start to end
    timeout: false,
    ...(proxy !== undefined && { proxy }),
  } as BunFetchRequestInit).catch((error: unknown) => {
    clearTimeout(timer);
    throw failed(error);
  });
  if (!response.ok || !response.body) {
    clearTimeout(timer);
    stalled.abort();
    throw new EngineError(
      response.status === 404 ? "not-found" : "invalid",
      `Got HTTP status code >= 400: ${response.status} ${response.statusText}`, // moby parity
    );
  }
  const total = Number(response.headers.get("content-length") ?? 0);
  const { body } = response;
  async function* pieces(): AsyncGenerator<Uint8Array, void> {
    let current = 0;
    let told = 0;
    try {
      for await (const piece of body as AsyncIterable<Uint8Array>) {
        clearTimeout(timer);
        current += piece.length;
        if (total > 0 && (current === total || current - told >= reportBytes)) {
          options.report({ id: "", status: "Importing", current, total });
          told = current;
        }
        yield piece;
        timer = setTimeout(() => stalled.abort(), stallMs);
      }
      if (total > 0 && current < total) throw new Error("the connection was cut");
    } catch (error) {
      throw failed(error);
    } finally {
      clearTimeout(timer);
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}

/** moby parity: an address without a scheme is http. */
function addressOf(text: string): URL {
  try {
    const url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
    if (url.protocol === "http:" || url.protocol === "https:") return url;
  } catch {
    // said below
  }
  throw new EngineError("invalid", `invalid address to import from: ${JSON.stringify(text)}`);
}
