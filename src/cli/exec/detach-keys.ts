import { ExitError } from "../exit-error.ts";

/** ctrl-p, ctrl-q */
const defaultKeys = [16, 17];

/** Reads `ctrl-p,ctrl-q`, `a`, `DEL`: one byte per part. */
export function parseDetachKeys(text: string | undefined): readonly number[] {
  if (text === undefined || text === "") return defaultKeys;
  return text.split(",").map((part) => {
    const code = keyCode(part);
    if (code === undefined) throw new ExitError(1, `invalid detach keys (${text}): Unknown character: '${part}'`);
    return code;
  });
}

function keyCode(part: string): number | undefined {
  if (part.length === 1 && part.charCodeAt(0) < 128) return part.charCodeAt(0);
  if (part === "DEL") return 127;
  const control = /^ctrl-([a-zA-Z@[\\\]^_])$/i.exec(part)?.[1];
  return control === undefined ? undefined : control.toUpperCase().charCodeAt(0) & 0x1f;
}

/** Finds the detach keys in what is typed. Keys that only began the sequence are passed on when it breaks off. */
export class DetachFilter {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** What to pass on, and whether the sequence is complete (what was typed after it is dropped). */
  push(chunk: Uint8Array): { pass: Uint8Array; detached: boolean } {
    const pass: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.#keys.length) return { pass: Uint8Array.from(pass), detached: true };
        continue;
      }
      pass.push(...this.#keys.slice(0, this.#matched));
      this.#matched = byte === this.#keys[0] && this.#keys.length > 1 ? 1 : 0;
      if (this.#matched === 0) pass.push(byte);
    }
    return { pass: Uint8Array.from(pass), detached: false };
  }
}
