import { EngineError } from "../../base/errors.ts";
import { quote } from "../render/go-string.ts";

/** strconv.ParseInt(text, 10, 64) with its error text; the name is the Go function that docker calls there. */
export function parseInteger(text: string, called = "ParseInt"): number {
  if (!/^[+-]?\d+$/.test(text))
    throw new EngineError("invalid", `strconv.${called}: parsing ${quote(text)}: invalid syntax`, { value: text });
  const value = Number(text);
  if (Math.abs(value) > 2 ** 63)
    throw new EngineError("invalid", `strconv.${called}: parsing ${quote(text)}: value out of range`, { value: text });
  return value;
}

const yes = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const no = new Set(["0", "f", "F", "FALSE", "false", "False"]);

/** strconv.ParseBool; undefined for what is neither. */
export function goBoolean(text: string): boolean | undefined {
  if (yes.has(text)) return true;
  return no.has(text) ? false : undefined;
}
