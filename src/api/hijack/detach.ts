/**
 * Looks for the detach keys in what a client types. Bytes that began the keys and then went another way are passed on
 * (moby parity: a partial match is sent again).
 */
export class DetachFilter {
  readonly #keys: Uint8Array;
  #matched = 0;

  constructor(keys: Uint8Array) {
    this.#keys = keys;
  }

  /** What goes on to the container, and whether the keys were seen: then the rest is dropped. */
  push(bytes: Uint8Array): { pass: Uint8Array; detached: boolean } {
    const keys = this.#keys;
    if (keys.length === 0) return { pass: bytes, detached: false };
    const pass: number[] = [];
    for (const byte of bytes) {
      if (byte === keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === keys.length) return { pass: Uint8Array.from(pass), detached: true };
        continue;
      }
      for (let index = 0; index < this.#matched; index++) pass.push(keys[index] ?? 0);
      this.#matched = 0;
      if (byte === keys[0]) this.#matched = 1;
      else pass.push(byte);
    }
    return { pass: Uint8Array.from(pass), detached: false };
  }
}
