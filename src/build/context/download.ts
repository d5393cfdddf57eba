import { EngineError, errorMessage } from "../../base/errors.ts";
import { type ProxySettings, proxyFor } from "../../distribution/http/proxies.ts";

/** A server that sends nothing for so long is given up. */
const stallMs = 60_000;

export interface Download {
  readonly status: number;
  readonly headers: Headers;
  /** Throws `unavailable` when it is cut or stalls. */
  readonly body: AsyncGenerator<Uint8Array>;
}

/** Asks for an http(s) address, by the proxies that the engine is set to. Throws `unavailable`. */
export async function openDownload(
  url: string,
  options: { signal: AbortSignal; proxies: ProxySettings },
): Promise<Download> {
  if (!/^https?:\/\//i.test(url)) throw new EngineError("invalid", `${url} is no http address`, { url });
  const stalled = new AbortController();
  let timer = setTimeout(() => stalled.abort(), stallMs);
  const proxy = proxyFor(new URL(url), options.proxies);
  const failed = (error: unknown): EngineError =>
    options.signal.aborted
      ? new EngineError("cancelled", "the build was cancelled")
      : new EngineError(
          "unavailable",
          `failed to load ${url}: ${stalled.signal.aborted ? `nothing came for ${stallMs / 1000} seconds` : errorMessage(error)}`,
          { url },
          { cause: error },
        );
  let response: Response;
  try {
    response = await fetch(url, {
      signal: AbortSignal.any([options.signal, stalled.signal]),
      // what is packed stays packed: its digest is that of the bytes that were sent
      headers: { "Accept-Encoding": "identity" },
      timeout: false, // Bun's own limit is 5 minutes from start to end
      ...(proxy !== undefined && { proxy }),
    } as BunFetchRequestInit);
  } catch (error) {
    clearTimeout(timer);
    throw failed(error);
  }
  const { body } = response;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
        clearTimeout(timer);
        yield piece;
        timer = setTimeout(() => stalled.abort(), stallMs);
      }
    } catch (error) {
      throw failed(error);
    } finally {
      clearTimeout(timer);
      stalled.abort(); // an answer that nobody reads to its end
    }
  }
  return { status: response.status, headers: response.headers, body: pieces() };
}
