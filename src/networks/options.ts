import { EngineError } from "../base/errors.ts";
import { parseIp } from "../base/ip.ts";

/** What is wrong with a value; undefined = nothing. */
export type OptionCheck = (value: string) => string | undefined;

const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  "1": true,
  t: true,
  false: false,
  "0": false,
  f: false,
};

/** Go's strconv.ParseBool, as far as people use it. */
export const readBoolean = (text: string | undefined, otherwise: boolean): boolean =>
  text === undefined ? otherwise : (booleans[text.toLowerCase()] ?? otherwise);

export const isBoolean: OptionCheck = (value) =>
  booleans[value.toLowerCase()] === undefined ? "is neither true nor false" : undefined;

export const isAddress =
  (family?: 4 | 6): OptionCheck =>
  (value) => {
    const ip = parseIp(value);
    return ip === undefined || (family !== undefined && ip.family !== family)
      ? `is no ${family === undefined ? "" : `IPv${family} `}address`
      : undefined;
  };

export const isOneOf =
  (...words: readonly string[]): OptionCheck =>
  (value) =>
    words.includes(value) ? undefined : `is none of ${words.join(", ")}`;

export const isWhole =
  (least: number, most: number): OptionCheck =>
  (value) =>
    /^[0-9]{1,9}$/.test(value) && Number(value) >= least && Number(value) <= most
      ? undefined
      : `is not between ${least} and ${most}`;

/** dev_valid_name() of the kernel, and nothing that needs quoting in an nft script. */
export const isLinkName: OptionCheck = (value) =>
  /^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(value) ? undefined : "is no name for an interface";

export const anyText: OptionCheck = () => undefined;

/** Throws `invalid` for an option that nobody knows and for a value that means nothing. */
export function checkOptions(
  what: string,
  options: Readonly<Record<string, string>>,
  known: Readonly<Record<string, OptionCheck>>,
): void {
  for (const [key, value] of Object.entries(options)) {
    const check = Object.hasOwn(known, key) ? known[key] : undefined;
    if (check === undefined) {
      throw new EngineError(
        "invalid",
        `${what} ${key} is not known; known are ${Object.keys(known).sort().join(", ")}`,
        { option: key },
      );
    }
    const trouble = check(value);
    if (trouble !== undefined)
      throw new EngineError("invalid", `${what} ${key}: ${JSON.stringify(value)} ${trouble}`, { option: key });
  }
}
