import type { Wire } from "./wire.ts";

export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Record<string, string>;
  readonly body: AnswerBody;
}

/** Writes a request's head; the body, if any, follows. */
export function requestHead(method: string, target: string, headers: Readonly<Record<string, string>>): Uint8Array {
  let text = `${method} ${target} HTTP/1.1\r\nHost: docker\r\nUser-Agent: Berth-Client\r\n`;
  for (const [name, value] of Object.entries(headers)) text += `${name}: ${value.replace(/[\r\n]/g, "")}\r\n`;
  return Buffer.from(`${text}\r\n`, "utf8");
}

/** Reads an answer's head; 1xx ones but 101 are passed over. Throws when the daemon closes before it. */
export async function readAnswer(wire: Wire, method: string): Promise<Answer> {
  for (;;) {
    const text = await readHead(wire);
    const [first = "", ...lines] = text.split("\r\n");
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1]);
    if (!status) throw new Error(`malformed answer of the daemon: ${first.slice(0, 100)}`);
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const colon = line.indexOf(":");
      if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    if (status >= 100 && status < 200 && status !== 101) continue;
    return { status, headers, body: new AnswerBody(wire, framing(method, status, headers)) };
  }
}

async function readHead(wire: Wire): Promise<string> {
  let text = "";
  for (;;) {
    const bytes = await wire.take();
    if (bytes === null) throw wire.reason ?? new ClosedEarly(text === "");
    const from = Math.max(0, text.length - 3);
    text += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
    const end = text.indexOf("\r\n\r\n", from);
    if (end >= 0) {
      wire.giveBack(bytes.subarray(bytes.length - (text.length - end - 4)));
      return text.slice(0, end);
    }
    if (text.length > 1024 * 1024) throw new Error("the daemon's answer has a head without end");
  }
}

/** The daemon closed the connection before it answered. `silent`: not a byte came, so a kept connection was stale. */
export class ClosedEarly extends Error {
  readonly silent: boolean;

  constructor(silent: boolean) {
    super("the daemon closed the connection before it answered");
    this.silent = silent;
  }
}

type Framing = number | "chunked" | "close";

function framing(method: string, status: number, headers: Readonly<Record<string, string>>): Framing {
  if (method === "HEAD" || status === 204 || status === 304) return 0;
  if (status === 101) return "close";
  if (headers["transfer-encoding"]?.toLowerCase() === "chunked") return "chunked";
  const length = headers["content-length"];
  return length === undefined ? "close" : Number(length);
}

/** The body of an answer, pulled piece by piece. */
export class AnswerBody {
  readonly #wire: Wire;
  readonly #framing: Framing;
  #left: number;
  #first = true;
  #done: boolean;

  constructor(wire: Wire, framing: Framing) {
    this.#wire = wire;
    this.#framing = framing;
    this.#left = typeof framing === "number" ? framing : 0;
    this.#done = framing === 0;
  }

  /** Read to its end, and the connection can go on. */
  get reusable(): boolean {
    return this.#done && this.#framing !== "close";
  }

  /** The next piece, null at the end. Throws when the daemon stops in the middle. */
  async next(): Promise<Uint8Array | null> {
    if (this.#done) return null;
    if (this.#framing === "close") return this.#wire.take();
    if (this.#left === 0) {
      await this.#nextChunk();
      if (this.#done) return null;
    }
    const bytes = await this.#wire.take();
    if (bytes === null) throw new Error("unexpected EOF");
    const piece = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
    if (piece.length < bytes.length) this.#wire.giveBack(bytes.subarray(piece.length));
    this.#left -= piece.length;
    if (this.#left === 0 && this.#framing !== "chunked") this.#done = true;
    return piece;
  }

  async text(): Promise<string> {
    const decoder = new TextDecoder();
    let text = "";
    for (let piece = await this.next(); piece !== null; piece = await this.next())
      text += decoder.decode(piece, { stream: true });
    return text + decoder.decode();
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    for (let piece = await this.next(); piece !== null; piece = await this.next()) yield piece;
  }

  async #nextChunk(): Promise<void> {
    if (!this.#first) await this.#line();
    this.#first = false;
    const size = Number.parseInt(await this.#line(), 16);
    if (Number.isNaN(size)) throw new Error("malformed answer of the daemon: bad chunk");
    this.#left = size;
    if (size > 0) return;
    while ((await this.#line()) !== "");
    this.#done = true;
  }

  async #line(): Promise<string> {
    let text = "";
    for (;;) {
      const bytes = await this.#wire.take();
      if (bytes === null) throw new Error("unexpected EOF");
      const end = bytes.indexOf(10);
      text += Buffer.from(bytes.buffer, bytes.byteOffset, end < 0 ? bytes.length : end).toString("latin1");
      if (end < 0) continue;
      this.#wire.giveBack(bytes.subarray(end + 1));
      return text.endsWith("\r") ? text.slice(0, -1) : text;
    }
  }
}
