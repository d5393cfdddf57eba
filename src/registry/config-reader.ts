import { EngineError } from "../base/errors.ts";

const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const unitBytes: Record<string, number> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** `90s`, `12h`, `30d`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  const [, number, unit] = /^(\d{1,9})(ms|s|m|h|d|w)$/.exec(text) ?? [];
  return number === undefined || unit === undefined ? undefined : Number(number) * (unitMs[unit] ?? 0);
}

/** `512M`, `20g`, `1048576`; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const [, number, unit = ""] = /^(\d{1,15}(?:\.\d{1,3})?)\s*([bkmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  return number === undefined ? undefined : Math.floor(Number(number) * (unitBytes[unit.toLowerCase()] ?? 1));
}

/** Reads one section of a settings file key by key; what nobody read is a mistake, told by `end`. */
export class ConfigReader {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #where: string;
  readonly #read = new Set<string>();

  /** `where` is what messages begin with: the file, or the keys above. */
  constructor(value: unknown, where: string) {
    if (value !== null && value !== undefined && (typeof value !== "object" || Array.isArray(value)))
      throw new EngineError("invalid", `${where}: a section with keys is wanted`);
    this.#values = (value ?? {}) as Record<string, unknown>;
    this.#where = where;
  }

  bad(key: string, why: string): EngineError {
    return new EngineError("invalid", `${this.#where}: ${key}: ${why}`);
  }

  has(key: string): boolean {
    return this.#values[key] !== undefined;
  }

  #get(key: string): unknown {
    this.#read.add(key);
    return this.#values[key] ?? undefined;
  }

  text(key: string): string | undefined {
    const value = this.#get(key);
    if (value === undefined || typeof value === "string") return value;
    if (typeof value === "number") return String(value);
    throw this.bad(key, "a text is wanted");
  }

  need(key: string): string {
    const value = this.text(key);
    if (value === undefined) throw this.bad(key, "it is missing");
    return value;
  }

  /** A text, or `$NAME` of the environment, so that the file need not hold it. */
  secret(key: string): string | undefined {
    const value = this.text(key);
    if (value === undefined || !/^\$[A-Za-z_]\w*$/.test(value)) return value;
    const found = process.env[value.slice(1)];
    if (found === undefined) throw this.bad(key, `the environment has no ${value.slice(1)}`);
    return found;
  }

  url(key: string): string | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    if (!/^https?:$/.test(URL.parse(value)?.protocol ?? "")) throw this.bad(key, "an http or https address is wanted");
    return value;
  }

  toggle(key: string): boolean | undefined {
    const value = this.#get(key);
    if (value === undefined || typeof value === "boolean") return value;
    throw this.bad(key, "true or false is wanted");
  }

  whole(key: string): number | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw this.bad(key, "a whole number is wanted");
  }

  duration(key: string): number | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const read = parseDuration(value);
    if (read === undefined) throw this.bad(key, "a time as 90s, 12h or 30d is wanted");
    return read;
  }

  bytes(key: string): number | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const read = parseBytes(value);
    if (read === undefined) throw this.bad(key, "a size as 512M or 20G is wanted");
    return read;
  }

  oneOf<const Word extends string>(key: string, words: readonly Word[]): Word | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const found = words.find((word) => word === value);
    if (found === undefined) throw this.bad(key, `one of ${words.join(", ")} is wanted`);
    return found;
  }

  words(key: string): string[] {
    const value = this.#get(key);
    if (typeof value === "string") return value.split(",").map((word) => word.trim());
    if (Array.isArray(value) && value.every((word) => typeof word === "string")) return value as string[];
    throw this.bad(key, "a list of words is wanted");
  }

  texts(key: string): Record<string, string> {
    const section = this.section(key);
    return Object.fromEntries(Object.keys(section.#values).map((name) => [name, section.need(name)]));
  }

  section(key: string): ConfigReader {
    return new ConfigReader(this.#get(key), `${this.#where}: ${key}`);
  }

  list<T>(key: string, read: (entry: ConfigReader) => T): T[] {
    const value = this.#get(key);
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw this.bad(key, "a list is wanted");
    return value.map((entry: unknown, index) => read(new ConfigReader(entry, `${this.#where}: ${key}[${index}]`)));
  }

  /** Throws `invalid` for a key that nobody asked for. */
  end(): void {
    for (const key of Object.keys(this.#values))
      if (!this.#read.has(key)) throw this.bad(key, "there is no such setting");
  }
}
