import { EngineError } from "../base/errors.ts";
import { discard } from "./http/answer-body.ts";
import { Authorizer } from "./auth/authorizer.ts";
import { unlessCancelled } from "./transfer/cancelled.ts";
import { answerFailure, shown, verb } from "./http/failure.ts";
import type { Credentials } from "./registries.ts";
import type { Transport } from "./http/transport.ts";

/** A request to a server's API. */
export interface Ask {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below `/v2/`, or an address the server gave (an upload's). */
  readonly at: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Asked again when the request must be repeated with rights. */
  readonly body?: () => string | Uint8Array | AsyncIterable<Uint8Array>;
  /** Rights it needs: `repository:library/busybox:pull`. */
  readonly scopes: readonly string[];
  readonly signal?: AbortSignal | undefined;
  readonly answerMs?: number;
  /** Without it redirects of GET and HEAD are followed. */
  readonly stay?: boolean;
}

const answerMs = 60_000;
/** A mirror must be quicker than the way around it. */
const mirrorAnswerMs = 20_000;
const probeMs = 10_000;
/** How long a mirror that failed is passed over. */
const restMs = 60_000;

/** One registry or mirror, as one user: which protocol it speaks, how it wants to be shown rights. */
export class Server {
  readonly #transport: Transport;
  readonly #bases: readonly URL[];
  readonly #credentials: Credentials;
  readonly #answerMs: number;
  #base: Promise<URL> | undefined;
  #authorizer: Authorizer | undefined;
  #restsUntilMs = 0;

  /** `bases`: addresses before `/v2/`, tried in this order. */
  constructor(options: {
    transport: Transport;
    bases: readonly string[];
    credentials: Credentials;
    isMirror?: boolean;
  }) {
    this.#transport = options.transport;
    this.#bases = options.bases.map((base) => new URL(base.endsWith("/") ? base : `${base}/`));
    this.#credentials = options.credentials;
    this.#answerMs = options.isMirror === true ? mirrorAnswerMs : answerMs;
  }

  get rests(): boolean {
    return this.#restsUntilMs > performance.now();
  }

  /** It failed or lied: it is asked last for a while. */
  rest(): void {
    this.#restsUntilMs = performance.now() + restMs;
  }

  get stallMs(): number {
    return this.#transport.stallMs;
  }

  /**
   * Asks with the rights that the server wants; redirects of what reads are followed. Gives every answer, also refusals.
   */
  async ask(ask: Ask): Promise<{ response: Response; url: URL }> {
    const base = await this.base(ask.signal);
    const authorizer = (this.#authorizer ??= new Authorizer({
      transport: this.#transport,
      origin: base,
      credentials: this.#credentials,
    }));
    const url = ask.at instanceof URL ? ask.at : new URL(`v2/${ask.at}`, base);
    // an upload may be sent to another host: rights are for this one
    const own = url.origin === base.origin;
    for (let tries = 1; ; tries++) {
      const rights = own ? await authorizer.header(ask.scopes, ask.signal ? { signal: ask.signal } : {}) : undefined;
      const request = {
        method: ask.method,
        url,
        headers: { ...ask.headers, ...(rights !== undefined && { Authorization: rights }) },
        ...(ask.body && { body: ask.body() }),
        signal: ask.signal,
        answerMs: ask.answerMs ?? this.#answerMs,
      };
      const reads = ask.method === "GET" || ask.method === "HEAD";
      const answer = await this.#send(request, reads && ask.stay !== true);
      if (answer.response.status !== 401 || answer.url.origin !== base.origin || tries === 3) return answer;
      const again = authorizer.challenged(answer.response, rights, ask.scopes);
      if (again === false) return answer;
      await discard(answer.response);
      if (again === "no-credentials") {
        const text = `${verb(ask.method)} "${shown(url)}": no basic auth credentials`;
        throw new EngineError("unauthorized", text, { status: 401, code: "NO_CREDENTIALS" });
      }
    }
  }

  /** The same for what must succeed with one of these statuses. */
  async expect(ask: Ask, ...statuses: readonly number[]): Promise<{ response: Response; url: URL }> {
    const answer = await this.ask(ask);
    if (statuses.includes(answer.response.status)) return answer;
    if (answer.response.status >= 400) throw await answerFailure(answer.response);
    await discard(answer.response);
    throw new EngineError("invalid", `received unexpected HTTP status: ${answer.response.status}`, {
      status: answer.response.status,
    });
  }

  /** The address that answers: of an insecure registry TLS, else plain HTTP. */
  base(signal?: AbortSignal): Promise<URL> {
    const [only, ...more] = this.#bases;
    if (only && more.length === 0) return Promise.resolve(only);
    if (this.#base === undefined) {
      const found = this.#probe(); // without the signal: others may wait for the same
      this.#base = found;
      found.catch(() => {
        if (this.#base === found) this.#base = undefined;
      });
    }
    return unlessCancelled(this.#base, signal);
  }

  async #probe(): Promise<URL> {
    let failure: unknown;
    for (const base of this.#bases) {
      try {
        const response = await this.#transport.send({
          method: "GET",
          url: new URL("v2/", base),
          answerMs: probeMs,
        });
        await discard(response);
        // what a TLS port says to those who speak plainly; why TLS failed is the better text
        const isTlsPort = response.status === 400 && base.protocol === "http:" && failure !== undefined;
        if (!isTlsPort) return base;
      } catch (error) {
        // certificates of ours that cannot be used are no reason to go without
        if (error instanceof EngineError && error.kind === "invalid") throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async #send(request: Parameters<Transport["send"]>[0], follow: boolean): Promise<{ response: Response; url: URL }> {
    try {
      if (follow) return await this.#transport.sendFollowing(request);
      return { response: await this.#transport.send(request), url: request.url };
    } catch (error) {
      if (!request.signal?.aborted) this.#base = undefined; // it may come back with the other protocol
      throw error;
    }
  }
}
