import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { rcodes } from "./query.ts";

/** A server that names of the outside are asked of. */
export interface Server {
  readonly address: string;
  readonly port: number;
}

/** How one server is asked; rejects when it gave no answer in time. */
export type Ask = (server: Server, packet: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;

/** How long "no such name" of a later server waits for the servers before it, which may know better (a VPN's). */
const graceMs = 200;
/** Clients give up after 5 s; ours must be told before. */
const answerWithinMs = 4500;

/**
 * Asks all servers at once. The first answer with records wins; "no such name" counts at once from the first server
 * and a moment later from another one; failures count only when there is nothing better. Undefined = no answer.
 */
export async function askAll(
  servers: readonly Server[],
  packet: Uint8Array,
  ask: Ask,
  options: { answerWithinMs?: number; graceMs?: number } = {},
): Promise<Uint8Array | undefined> {
  const ending = new AbortController();
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
  const answers: (Uint8Array | undefined)[] = [];
  let open = servers.length;
  let grace: Timer | undefined;
  // The best of what has come, in the order of the servers.
  const best = (): Uint8Array | undefined =>
    answers.find((answer) => answer !== undefined && isGood(answer)) ?? answers.find((answer) => answer !== undefined);
  const deadline = setTimeout(() => resolve(best()), options.answerWithinMs ?? answerWithinMs);
  if (open === 0) resolve(undefined);
  for (const [index, server] of servers.entries()) {
    ask(server, packet, ending.signal).then(
      (answer) => {
        answers[index] = answer;
        open -= 1;
        if (hasRecords(answer)) return resolve(answer);
        if (open === 0 || (isGood(answer) && servers.slice(0, index).every((_, before) => answers[before]))) {
          return resolve(best());
        }
        if (isGood(answer)) grace ??= setTimeout(() => resolve(best()), options.graceMs ?? graceMs);
      },
      () => {
        // It is down or does not know us: the others decide.
        open -= 1;
        if (open === 0) resolve(best());
      },
    );
  }
  try {
    return await promise;
  } finally {
    clearTimeout(deadline);
    clearTimeout(grace);
    ending.abort();
  }
}

const rcodeOf = (answer: Uint8Array): number => (answer[3] ?? 0) & 15;
const isGood = (answer: Uint8Array): boolean => rcodeOf(answer) === rcodes.ok || rcodeOf(answer) === rcodes.nameError;
/** A truncated answer has records, too: the client asks again by TCP. */
const hasRecords = (answer: Uint8Array): boolean =>
  rcodeOf(answer) === rcodes.ok && (((answer[6] ?? 0) << 8) | (answer[7] ?? 0) | ((answer[2] ?? 0) & 0x02)) !== 0;

/** Looks at the file's date this often: a VPN that comes up changes it. */
const lookEveryMs = 1000;
const serversAtMost = 3; // resolv.conf(5): MAXNS

/** The host's own servers, as its resolv.conf has them now. */
export class HostServers {
  readonly #path: string;
  #servers: readonly Server[] = [];
  #stamp = "";
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(path = "/etc/resolv.conf") {
    this.#path = path;
  }

  list(): readonly Server[] {
    const now = performance.now();
    if (now - this.#lookedAt < lookEveryMs) return this.#servers;
    this.#lookedAt = now;
    try {
      const { mtimeMs, ino, size } = statSync(this.#path);
      const stamp = `${mtimeMs} ${ino} ${size}`;
      if (stamp !== this.#stamp) this.#servers = parse(readFileSync(this.#path, "utf8"));
      this.#stamp = stamp;
    } catch {
      // Replaced at this moment, or there is none: what was known stays.
    }
    return this.#servers;
  }
}

function parse(text: string): Server[] {
  const found = text.split("\n").flatMap((line) => {
    const [keyword, address = ""] = line.trim().split(/\s+/);
    return keyword === "nameserver" && isIP(address) !== 0 ? [{ address, port: 53 }] : [];
  });
  return found.slice(0, serversAtMost);
}
