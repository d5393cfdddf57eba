import { EngineError } from "../base/errors.ts";

export type LogOptions = Readonly<Record<string, string>>;

/** How a log's files are bounded. */
export interface Rotation {
  /** Infinity = never. */
  readonly maxSizeBytes: number;
  /** The current file and its predecessors. */
  readonly maxFiles: number;
  readonly compress: boolean;
}

const anyDriver = new Set(["mode", "max-buffer-size"]);
const invalid = (text: string): EngineError => new EngineError("invalid", text);

/** Refuses an option that is not listed. `owner` completes Docker's text, which differs by driver. */
export function refuseUnknown(options: LogOptions, known: ReadonlySet<string>, owner: string): void {
  for (const name of Object.keys(options)) {
    if (!known.has(name) && !anyDriver.has(name)) throw invalid(`unknown log opt '${name}' for ${owner}`);
  }
}

/** Checks `mode` and `max-buffer-size`, which every driver has. */
export function deliveryMode(options: LogOptions): { blocking: boolean; bufferBytes: number } {
  const mode = options["mode"] ?? "";
  if (mode !== "" && mode !== "blocking" && mode !== "non-blocking")
    throw invalid(`logger: logging mode not supported: ${mode}`);
  const size = options["max-buffer-size"];
  if (size !== undefined && mode !== "non-blocking") {
    throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  // moby parity: 1 MB unless told otherwise
  return { blocking: mode !== "non-blocking", bufferBytes: size === undefined ? 1_000_000 : parseSize(size) };
}

/** `max-size`, `max-file` and `compress` over the driver's defaults. */
export function rotation(options: LogOptions, defaults: Rotation): Rotation {
  const size = options["max-size"];
  const unlimited = size === "-1";
  const files = options["max-file"];
  const maxFiles = files === undefined ? defaults.maxFiles : integer(files);
  if (maxFiles < 1) throw invalid("max-file cannot be less than 1");
  const compress =
    options["compress"] === undefined
      ? defaults.compress && maxFiles > 1 && !unlimited
      : parseBool(options["compress"]);
  if (compress && (maxFiles < 2 || unlimited)) {
    throw invalid("compress cannot be true when max-file is less than 2 or max-size is not set");
  }
  const maxSizeBytes = unlimited
    ? Number.POSITIVE_INFINITY
    : size === undefined
      ? defaults.maxSizeBytes
      : parseSize(size);
  if (maxSizeBytes <= 0) throw invalid("max-size must be a positive number");
  return { maxSizeBytes, maxFiles, compress };
}

/** Go's units.FromHumanSize: decimal, `10m` is ten million bytes. */
function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)*) ?([kKmMgGtTpP])?[iI]?[bB]?$/.exec(text);
  const value = Number(match?.[1] ?? Number.NaN);
  if (!match || Number.isNaN(value)) throw invalid(`invalid size: '${text}'`);
  const power = "kmgtp".indexOf((match[2] ?? "").toLowerCase() || "?") + 1;
  return Math.floor(value * 1000 ** power);
}

function integer(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw invalid(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

/** Go's strconv.ParseBool. */
function parseBool(text: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  throw invalid(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}
