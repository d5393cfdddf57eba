import { resolve } from "node:path";
import { EngineError } from "../../base/errors.ts";
import type { Mount, MountType } from "../../spec/engine/types.gen.ts";
import { parseBytes } from "./bytes.ts";
import { parseCsvLine } from "./csv.ts";
import { goBoolean } from "./integer.ts";

type Options<Key extends keyof Mount> = NonNullable<Mount[Key]>;
type Propagation = Options<"BindOptions">["Propagation"];

interface Draft {
  Type: string;
  Source?: string;
  Target?: string;
  ReadOnly?: boolean;
  Consistency?: string;
  BindOptions?: Options<"BindOptions">;
  VolumeOptions?: Options<"VolumeOptions">;
  ImageOptions?: Options<"ImageOptions">;
  TmpfsOptions?: Options<"TmpfsOptions">;
  IdMap?: string;
  Overlay?: boolean;
}

/** Keys that mean true when they stand alone. */
const switches = new Set([
  "readonly",
  "ro",
  "volume-nocopy",
  "bind-nonrecursive",
  "bind-create-src",
  "create",
  "idmap",
  "overlay",
]);

/** `--mount type=bind,source=/a,target=/b,...`; which types exist is the daemon's to judge, as in docker. */
export function parseMount(text: string): Mount {
  const draft: Draft = { Type: "volume" };
  for (const field of parseCsvLine(text)) {
    const equals = field.indexOf("=");
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    if (equals < 0 && !switches.has(key)) throw invalid(`invalid field '${field}' must be a key=value pair`, text);
    setField(draft, { key, field, value: equals < 0 ? "true" : field.slice(equals + 1), text });
  }
  check(draft, text);
  // Casts: an unknown type or propagation goes to the daemon, whose text says what it knows.
  return { ...draft, Type: draft.Type as MountType };
}

const invalid = (message: string, value: string): EngineError => new EngineError("invalid", message, { value });

interface Field {
  readonly key: string;
  readonly value: string;
  /** As written, for error texts. */
  readonly field: string;
  readonly text: string;
}

function setField(draft: Draft, { key, value, field, text }: Field): void {
  const wrong = (): EngineError => invalid(`invalid value for ${key}: ${value}`, text);
  const boolean = (): boolean => {
    const parsed = goBoolean(value);
    if (parsed === undefined) throw wrong();
    return parsed;
  };
  switch (key) {
    case "type":
      draft.Type = value.toLowerCase();
      return;
    case "source":
    case "src":
      draft.Source = value === "." || value.startsWith("./") ? resolve(value) : value;
      return;
    case "target":
    case "dst":
    case "destination":
      draft.Target = value;
      return;
    case "readonly":
    case "ro":
      draft.ReadOnly = boolean();
      return;
    case "consistency":
      draft.Consistency = value.toLowerCase();
      return;
    case "bind-propagation":
      (draft.BindOptions ??= {}).Propagation = value.toLowerCase() as Propagation;
      return;
    case "bind-nonrecursive":
      (draft.BindOptions ??= {}).NonRecursive = boolean();
      return;
    case "bind-create-src":
    case "create":
      (draft.BindOptions ??= {}).CreateMountpoint = boolean();
      return;
    case "idmap": // beyond docker, as the next
      draft.IdMap = value === "true" ? "auto" : value;
      return;
    case "overlay":
      draft.Overlay = boolean();
      return;
    case "tmpfs-uid":
    case "tmpfs-gid":
      if (!/^\d{1,10}$/.test(value)) throw wrong();
      ((draft.TmpfsOptions ??= {}).Options ??= []).push([key.slice("tmpfs-".length), value]);
      return;
    case "bind-recursive":
      setRecursive((draft.BindOptions ??= {}), value, text);
      return;
    case "volume-subpath":
      (draft.VolumeOptions ??= {}).Subpath = value;
      return;
    case "volume-nocopy":
      (draft.VolumeOptions ??= {}).NoCopy = boolean();
      return;
    case "volume-label":
      addPair(((draft.VolumeOptions ??= {}).Labels ??= {}), value);
      return;
    case "volume-driver":
      ((draft.VolumeOptions ??= {}).DriverConfig ??= {}).Name = value;
      return;
    case "volume-opt":
      addPair((((draft.VolumeOptions ??= {}).DriverConfig ??= {}).Options ??= {}), value);
      return;
    case "image-subpath":
      (draft.ImageOptions ??= {}).Subpath = value;
      return;
    case "tmpfs-size":
      (draft.TmpfsOptions ??= {}).SizeBytes = orElse(() => parseBytes(value), wrong);
      return;
    case "tmpfs-mode":
      if (!/^[0-7]{1,11}$/.test(value)) throw wrong();
      (draft.TmpfsOptions ??= {}).Mode = Number.parseInt(value, 8);
      return;
    default:
      throw invalid(`unexpected key '${key}' in '${field}'`, text);
  }
}

function orElse<T>(read: () => T, wrong: () => EngineError): T {
  try {
    return read();
  } catch {
    // docker names the key and the value, not what was wrong with it.
    throw wrong();
  }
}

function setRecursive(options: Options<"BindOptions">, value: string, text: string): void {
  if (value === "disabled") options.NonRecursive = true;
  else if (value === "writable") options.ReadOnlyNonRecursive = true;
  else if (value === "readonly") options.ReadOnlyForceRecursive = true;
  else if (value !== "enabled")
    throw invalid(
      `invalid value for bind-recursive: ${value} (must be "enabled", "disabled", "writable", or "readonly")`,
      text,
    );
}

function addPair(map: Record<string, string>, pair: string): void {
  const equals = pair.indexOf("=");
  const key = equals < 0 ? pair : pair.slice(0, equals);
  if (key !== "") map[key] = equals < 0 ? "" : pair.slice(equals + 1);
}

function check(draft: Draft, text: string): void {
  const { Type, BindOptions: bind } = draft;
  if (Type === "") throw invalid("type is required", text);
  if (draft.Target === undefined || draft.Target === "") throw invalid("target is required", text);
  const families = { volume: draft.VolumeOptions, image: draft.ImageOptions, bind, tmpfs: draft.TmpfsOptions };
  for (const [family, options] of Object.entries(families)) {
    if (options !== undefined && Type !== family)
      throw invalid(`cannot mix '${family}-*' options with mount type '${Type}'`, text);
  }
  const needs = (option: string, what: string): EngineError =>
    invalid(`option 'bind-recursive=${option}' requires '${what}' to be specified in conjunction`, text);
  if (bind?.ReadOnlyNonRecursive === true && draft.ReadOnly !== true) throw needs("writable", "readonly");
  if (bind?.ReadOnlyForceRecursive === true) {
    if (draft.ReadOnly !== true) throw needs("readonly", "readonly");
    if (bind.Propagation !== "rprivate") throw needs("readonly", "bind-propagation=rprivate");
  }
}
