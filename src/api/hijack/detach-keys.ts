import { EngineError } from "../../base/errors.ts";

/** What Docker uses where nothing is given. */
const defaultKeys = "ctrl-p,ctrl-q";

/** `ctrl-a,x` as bytes; empty = the default. moby/term ToBytes: single characters and ctrl-<letter, @ [ \ ] ^ _>. */
export function parseDetachKeys(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const key of (text === "" ? defaultKeys : text).split(",")) {
    const control = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1];
    if (control !== undefined) bytes.push(control.toUpperCase().charCodeAt(0) & 0x1f);
    else if (key.length === 1 && key.charCodeAt(0) < 128) bytes.push(key.charCodeAt(0));
    else throw new EngineError("invalid", `Invalid detach keys (${text}) provided`, { detachKeys: text });
  }
  return Uint8Array.from(bytes);
}
