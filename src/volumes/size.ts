import { EngineError } from "../base/errors.ts";

const units: Readonly<Record<string, number>> = { "": 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** Bytes of a text like `10G`, `512MiB`, `1.5g`: binary units, as docker reads sizes. Throws invalid. */
export function parseSize(text: string): number {
  const [, digits = "", unit = ""] = /^(\d{1,15}(?:\.\d{1,6})?)\s?([kmgtp]?)(?:i?b)?$/i.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(digits) * 1024 ** (units[unit.toLowerCase()] ?? 0));
  if (digits === "" || !Number.isSafeInteger(bytes) || bytes <= 0)
    throw new EngineError("invalid", `invalid size: '${text}'`, { size: text });
  return bytes;
}

/** The limit that a volume's options ask for, in bytes; 0 = none. */
export const limitOf = (options: Readonly<Record<string, string>>): number =>
  options["size"] === undefined || options["device"] !== undefined ? 0 : parseSize(options["size"]);
