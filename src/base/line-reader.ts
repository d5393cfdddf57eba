/** Cuts a byte stream into lines of JSON. */
export class LineReader {
  #rest = "";
  readonly #decoder = new TextDecoder();

  push(chunk: Uint8Array): string[] {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines;
  }
}
