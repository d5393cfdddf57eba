import type { Readable } from "node:stream";
import { ExitError } from "../exit-error.ts";

/** Reads answers of a person at the terminal, line by line. */
export class Answers {
  readonly #stdin: NodeJS.ReadStream;
  readonly #input: AsyncIterator<Buffer | string>;
  #text = "";
  #ended = false;

  constructor(stdin: NodeJS.ReadStream) {
    this.#stdin = stdin;
    this.#input = (stdin as Readable)[Symbol.asyncIterator]();
  }

  /** A line without its end; what there is at the end of input. */
  async line(): Promise<string> {
    for (;;) {
      const end = /\r?\n|\r/.exec(this.#text);
      if (end !== null) {
        const line = this.#text.slice(0, end.index);
        this.#text = this.#text.slice(end.index + end[0].length);
        return line;
      }
      if (this.#ended || !(await this.#more())) return this.#text;
    }
  }

  /** A line that the terminal does not show. ^C and ^D end the program as they would without raw mode. */
  async secret(): Promise<string> {
    this.#stdin.setRawMode(true);
    try {
      for (;;) {
        if (this.#text.includes("\u0003")) throw new ExitError(130);
        const end = /[\r\n\u0004]/.exec(this.#text);
        if (end !== null) {
          const typed = this.#text.slice(0, end.index);
          this.#text = this.#text.slice(end.index + 1);
          return erased(typed);
        }
        if (this.#ended || !(await this.#more())) return erased(this.#text);
      }
    } finally {
      this.#stdin.setRawMode(false);
    }
  }

  /** Lets go of the terminal, so that the program can end. */
  close(): void {
    this.#stdin.destroy();
  }

  async #more(): Promise<boolean> {
    const next = await this.#input.next();
    this.#ended = next.done === true;
    if (next.done !== true) this.#text += String(next.value);
    if (this.#text.length > 64 * 1024) throw new ExitError(1, "the answer is too long");
    return !this.#ended;
  }
}

/** Applies backspace (^H, DEL) and ^U, as the terminal would have. */
function erased(typed: string): string {
  const characters: string[] = [];
  for (const character of typed) {
    if (character === "\u007f" || character === "\b") characters.pop();
    else if (character === "\u0015") characters.length = 0;
    else characters.push(character);
  }
  return characters.join("");
}
