import { SyntaxFault } from "./dockerfile-error.ts";
import { didYouMean } from "./suggest.ts";

/** `RUN --mount=...` as it was asked, variables expanded. */
export interface RunMount {
  readonly type: "bind" | "cache" | "tmpfs" | "secret" | "ssh";
  /** Stage, image or named context; empty = the build context (bind) or an empty folder (cache). */
  readonly from: string;
  /** Path in `from`. */
  readonly source: string;
  /** Absolute, or relative to the working directory. Empty = the type's own place. */
  readonly target: string;
  readonly readOnly: boolean;
  readonly id: string;
  readonly sharing: "shared" | "private" | "locked";
  readonly required: boolean;
  /** tmpfs: 0 = the kernel's default. */
  readonly sizeBytes: number;
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  /** secret: name of a variable instead of (or beside) a file. */
  readonly env: string;
}

const types = ["bind", "cache", "tmpfs", "secret", "ssh"] as const;
const sharings = ["shared", "private", "locked"] as const;
const keys = [
  "type",
  "from",
  "source",
  "target",
  "readonly",
  "readwrite",
  "id",
  "sharing",
  "required",
  "size",
  "mode",
  "uid",
  "gid",
  "env",
];

/** Reads one value of `--mount`. `expand` is applied to all values but those of `from`. Throws SyntaxFault. */
export function parseRunMount(value: string, expand: (text: string) => string): RunMount {
  const fields = csvFields(value).map((field) => {
    const equals = field.indexOf("=");
    const key = (equals < 0 ? field : field.slice(0, equals)).trim().toLowerCase();
    return { field, key, value: equals < 0 ? undefined : field.slice(equals + 1) };
  });
  const typeName = expand(fields.find(({ key }) => key === "type")?.value ?? "bind").toLowerCase();
  const type = types.find((known) => known === typeName);
  if (!type) throw new SyntaxFault(`unsupported mount type ${JSON.stringify(typeName)}${didYouMean(typeName, types)}`);
  const mount: { -readonly [Key in keyof RunMount]: RunMount[Key] } = {
    type,
    from: "",
    source: "",
    target: "",
    readOnly: type === "bind",
    id: "",
    sharing: "shared",
    required: false,
    sizeBytes: 0,
    mode: undefined,
    uid: undefined,
    gid: undefined,
    env: "",
  };
  let sharingGiven = false;
  for (const { field, key, value: raw } of fields) {
    const only = (...allowed: string[]): void => {
      if (!allowed.includes(type)) throw new SyntaxFault(`unexpected key '${key}' for mount type '${type}'`);
    };
    if (key === "from" && raw !== undefined && expand(raw) !== raw)
      throw new SyntaxFault(`'from' doesn't support variable expansion, define alias stage instead`);
    const text = raw === undefined ? undefined : expand(raw);
    const needed = (): string => {
      if (text === undefined) throw new SyntaxFault(`invalid field '${field}' must be a key=value pair`);
      return text;
    };
    const flag = (): boolean => {
      if (text === undefined || /^(1|t|true)$/i.test(text)) return true;
      if (/^(0|f|false)$/i.test(text)) return false;
      throw new SyntaxFault(`invalid value for ${key}: ${text}`);
    };
    const number = (radix: number): number => {
      const digits = needed();
      if (!(radix === 8 ? /^0?o?[0-7]+$/ : /^\d+$/).test(digits))
        throw new SyntaxFault(`invalid value ${digits} for ${key}`);
      return Number.parseInt(digits.replace(/^0?o/, ""), radix);
    };
    switch (key) {
      case "type":
        break;
      case "from":
        only("bind", "cache");
        mount.from = needed();
        break;
      case "source":
      case "src":
        mount.source = needed();
        break;
      case "target":
      case "dst":
      case "destination":
        mount.target = needed();
        break;
      case "readonly":
      case "ro":
        mount.readOnly = flag();
        break;
      case "readwrite":
      case "rw":
        mount.readOnly = !flag();
        break;
      case "required":
        only("secret", "ssh");
        mount.required = flag();
        break;
      case "size":
        only("tmpfs");
        mount.sizeBytes = bytes(needed(), key);
        break;
      case "id":
        mount.id = needed();
        break;
      case "sharing": {
        only("cache");
        const wanted = needed().toLowerCase();
        const sharing = sharings.find((known) => known === wanted);
        if (!sharing)
          throw new SyntaxFault(`unsupported sharing value ${JSON.stringify(wanted)}${didYouMean(wanted, sharings)}`);
        mount.sharing = sharing;
        sharingGiven = true;
        break;
      }
      case "mode":
        only("secret", "ssh", "cache");
        mount.mode = number(8);
        break;
      case "uid":
        only("secret", "ssh", "cache");
        mount.uid = number(10);
        break;
      case "gid":
        only("secret", "ssh", "cache");
        mount.gid = number(10);
        break;
      case "env":
        only("secret");
        mount.env = needed();
        break;
      default:
        throw new SyntaxFault(`unexpected key '${key}' in '${field}'${didYouMean(key, keys)}`);
    }
  }
  return checked(mount, sharingGiven);
}

function checked(mount: RunMount, sharingGiven: boolean): RunMount {
  const { type, source, target, id } = mount;
  if (sharingGiven && type !== "cache") throw new SyntaxFault(`invalid cache sharing set for ${type} mount`);
  if (type === "secret") {
    if (source !== "" && id !== "") throw new SyntaxFault("both source and id can't be set");
    const name = id || source || target.slice(target.lastIndexOf("/") + 1);
    if (name === "") throw new SyntaxFault("invalid secret mount. one of source, target required");
    return { ...mount, id: name, source: "" };
  }
  if (type === "ssh") return { ...mount, id: id || source || "default", source: "" };
  if (target === "") throw new SyntaxFault(`${type} mount requires a target: --mount=type=${type},target=/path`);
  if (/^\/+$/.test(target)) throw new SyntaxFault('invalid mount target "/"');
  return mount;
}

function bytes(text: string, key: string): number {
  const found = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text);
  if (!found) throw new SyntaxFault(`invalid value for ${key}: ${text}`);
  const power = { "": 0, k: 1, m: 2, g: 3, t: 4 }[(found[2] ?? "").toLowerCase()] ?? 0;
  return Math.floor(Number(found[1]) * 1024 ** power);
}

/** Fields of one CSV record: a field in double quotes may hold commas. */
function csvFields(text: string): string[] {
  const fields: string[] = [];
  let field = "";
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? "";
    if (quoted && char === '"' && text[at + 1] === '"') {
      field += '"';
      at++;
    } else if (char === '"' && (quoted || field === "")) quoted = !quoted;
    else if (char === "," && !quoted) {
      fields.push(field);
      field = "";
    } else field += char;
  }
  if (quoted) throw new SyntaxFault(`failed to parse csv mounts: the quote in ${JSON.stringify(text)} is not closed`);
  return [...fields, field];
}
