import { EngineError } from "../../base/errors.ts";
import { cancelled } from "../transfer/cancelled.ts";
import { readServerTls, type ServerTls, systemAuthorities } from "./certificates.ts";
import { discard } from "./answer-body.ts";
import { transportFailure } from "./failure.ts";
import { isInsecure } from "./insecure.ts";
import { proxyFor } from "./proxies.ts";
import type { RegistrySettings } from "../settings.ts";
import { Watch } from "./watch.ts";

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
  /** How long the answer's head may take. */
  readonly answerMs: number;
}

const maxRedirects = 5;
const remembered = 256;

/**
 * HTTP with the certificates, proxies and exceptions that the settings have for each host. On Bun's fetch: it was
 * measured as fast as own code over sockets, holds the sender back in both directions, and keeps connections.
 */
export class Transport {
  readonly #settings: RegistrySettings;
  readonly #authorities = systemAuthorities(process.env["SSL_CERT_FILE"]);
  /** By host. A new transport is made when the settings change. */
  readonly #tls = new Map<string, Promise<ServerTls>>();
  readonly #insecure = new Map<string, Promise<boolean>>();

  constructor(settings: RegistrySettings) {
    this.#settings = settings;
  }

  get stallMs(): number {
    return this.#settings.stallMs;
  }

  /** Whether a host (`name[:port]`) may be spoken to without verified TLS. */
  insecure(host: string): Promise<boolean> {
    return keep(this.#insecure, host, () => isInsecure(host, this.#settings.insecure));
  }

  /** One request and its answer, whatever its status; redirects are answers too. */
  async send(request: HttpRequest): Promise<Response> {
    const { method, url, signal } = request;
    if (signal?.aborted) throw cancelled();
    const tls = url.protocol === "https:" ? await this.#tlsOf(url.host) : undefined;
    const proxy = proxyFor(url, this.#settings.proxies);
    const watch = new Watch(request.answerMs, this.stallMs);
    const { body } = request;
    const init: BunFetchRequestInit = {
      method,
      headers: {
        "User-Agent": "berth",
        // a body that a proxy packs on the way is not the one the digest is of
        "Accept-Encoding": "identity",
        ...request.headers,
      },
      redirect: "manual",
      decompress: false,
      // Bun's own limit is 5 minutes from start to end
      timeout: false,
      signal: signal ? AbortSignal.any([signal, watch.signal]) : watch.signal,
      ...(body !== undefined && { body: (isSource(body) ? watch.follow(body) : body) as BodyInit }),
      ...(tls && { tls }),
      ...(proxy !== undefined && { proxy }),
    } as BunFetchRequestInit;
    try {
      return await fetch(url, init);
    } catch (error) {
      if (signal?.aborted) throw cancelled();
      if (watch.sourceFailed !== undefined) throw watch.sourceFailed;
      throw transportFailure(method, url, watch.expired ? new Error(watch.expired) : error);
    } finally {
      watch.stop();
    }
  }

  /**
   * Sends what may be repeated and follows redirects. Rights (`Authorization`) are for the origin they were made for
   * and stay behind where a redirect leaves it; from TLS it never leads to plain HTTP.
   */
  async sendFollowing(request: HttpRequest): Promise<{ response: Response; url: URL }> {
    let { url, headers = {} } = request;
    for (let count = 0; ; count++) {
      const response = await this.send({ ...request, url, headers });
      const location = response.headers.get("location");
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return { response, url };
      await discard(response);
      if (count === maxRedirects)
        throw new EngineError("unavailable", `${request.url.origin} redirects without end`, { transient: false });
      const next = followed(location, url);
      if (next.origin !== url.origin) headers = withoutRights(headers);
      url = next;
    }
  }

  #tlsOf(host: string): Promise<ServerTls> {
    return keep(this.#tls, host, async () =>
      readServerTls(host, {
        folders: this.#settings.certificateFolders,
        authorities: this.#authorities,
        verify: !(await this.insecure(host)),
      }),
    );
  }
}

const isSource = (body: string | Uint8Array | AsyncIterable<Uint8Array>): body is AsyncIterable<Uint8Array> =>
  typeof body === "object" && Symbol.asyncIterator in body;

/** Where a `Location` leads. Throws `invalid` for what must not be followed. */
export function followed(location: string, from: URL): URL {
  const next = URL.parse(location, from);
  if (next === null || (next.protocol !== "https:" && next.protocol !== "http:"))
    throw new EngineError("invalid", `${from.origin} redirects to what is no http address`);
  if (next.protocol === "http:" && from.protocol === "https:")
    throw new EngineError("invalid", `${from.origin} redirects from https to http (${next.origin}): not followed`);
  next.username = "";
  next.password = "";
  return next;
}

function withoutRights(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !["authorization", "cookie"].includes(name.toLowerCase())),
  );
}

/** One answer for all who ask at a time; a failed one is not kept. */
function keep<T>(map: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const known = map.get(key);
  if (known) return known;
  const made = make();
  if (map.size >= remembered) map.delete(map.keys().next().value ?? "");
  map.set(key, made);
  made.catch(() => map.delete(key));
  return made;
}
