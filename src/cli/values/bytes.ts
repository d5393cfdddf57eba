import { EngineError } from "../../base/errors.ts";
import { quote } from "../render/go-string.ts";

const exponents: Readonly<Record<string, number>> = { k: 1, m: 2, g: 3, t: 4, p: 5 };

/** go-units RAMInBytes: `512m`, `1.5g`, `10KiB`; powers of 1024. */
export function parseBytes(text: string): number {
  const invalid = (message: string): EngineError => new EngineError("invalid", message, { value: text });
  let last = text.length - 1;
  while (last >= 0 && !/[0-9. ]/.test(text[last] ?? "")) last -= 1;
  if (last < 0) throw invalid(`invalid size: '${text}'`);
  const digits = text.slice(0, text[last] === " " ? last : last + 1);
  const suffix = text.slice(last + 1);
  // What strconv.ParseFloat takes of decimal numbers.
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(digits))
    throw invalid(`strconv.ParseFloat: parsing ${quote(digits)}: invalid syntax`);
  const size = Number(digits);
  if (!Number.isFinite(size)) throw invalid(`strconv.ParseFloat: parsing ${quote(digits)}: value out of range`);
  if (size < 0) throw invalid(`invalid size: '${text}'`);
  if (suffix === "") return Math.trunc(size);
  const unit = suffix.length > 3 ? suffix : suffix.toLowerCase();
  if (unit === "b") return Math.trunc(size);
  const exponent = exponents[unit[0] ?? ""];
  if (exponent === undefined || suffix.length > 3 || !["", "b", "ib"].includes(unit.slice(1)))
    throw invalid(`invalid suffix: '${unit}'`);
  return Math.trunc(size * 1024 ** exponent);
}
