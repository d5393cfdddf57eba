import { posix } from "node:path";
import { EngineError } from "../../../base/errors.ts";
import type { Mount } from "../../../spec/engine/types.gen.ts";
import type { MountChange, MountPlan } from "../../plan.ts";
import { parseIdMap } from "./id-map.ts";
import { validPropagation } from "./mount-mode.ts";
import { cleanPath } from "../process.ts";

/** Options by the mount type they belong to. */
const optionFields = {
  bind: "BindOptions",
  volume: "VolumeOptions",
  tmpfs: "TmpfsOptions",
  image: "ImageOptions",
} as const;

/** Throws Docker's text when options of another type are given (API 1.42). */
export function checkMountOptions(mounts: readonly Mount[]): void {
  for (const mount of mounts) {
    for (const field of [optionFields.volume, optionFields.bind, optionFields.tmpfs]) {
      if (mount[field] && optionFieldOf(mount) !== field) {
        throw new EngineError("invalid", `${field} must not be specified on mount type "${mount.Type ?? ""}"`, {
          target: mount.Target,
        });
      }
    }
  }
}

/**
 * Reads an element of HostConfig.Mounts. Throws Docker's texts, all but the one for a bind whose source is missing:
 * that needs the disk, see `checkBindSources()`.
 */
export function parseMount(mount: Mount): MountPlan {
  const bad = (why: string): never => badMount(mount.Type ?? "", why);
  const target = mount.Target ?? "";
  const source = mount.Source ?? "";
  if (target === "") bad("field Target must not be empty");
  if (cleanPath(target) === "/") bad("invalid specification: destination can't be '/'");
  if (!target.startsWith("/")) bad(`invalid mount path: '${target}' mount path must be absolute`);
  if (`${target}${source}`.includes("\0")) bad("path contains a NUL byte");
  for (const field of Object.values(optionFields)) {
    if (mount[field] && field !== optionFieldOf(mount)) bad(`field ${field} must not be specified`);
  }
  const change = changeOf(mount, bad);
  const common = { target: cleanPath(target), readOnly: mount.ReadOnly === true, mode: "", anonymous: false };
  switch (mount.Type) {
    case "bind":
      return { ...common, ...bindMount(mount, bad), ...change };
    case "volume":
      return { ...common, ...volumeMount(mount, bad), ...change, mode: "z", anonymous: source === "" };
    case "tmpfs":
      if (source !== "") bad("field Source must not be specified");
      return { ...common, ...tmpfsMount(mount, bad) };
    case "image": {
      const subpath = mount.ImageOptions?.Subpath ?? "";
      if (source === "") bad("field Source must not be empty");
      if (!isLocal(subpath)) bad("subpath must be a relative path within the volume");
      return { ...common, readOnly: true, type: "image", source, subpath };
    }
    default:
      return bad("mount type unknown");
  }
}

export function badMount(type: string, why: string): never {
  throw new EngineError("invalid", `invalid mount config for type "${type}": ${why}`, { type });
}

type Bad = (why: string) => never;
type Of<T extends MountPlan["type"]> = Omit<
  Extract<MountPlan, { type: T }>,
  "target" | "readOnly" | "mode" | "anonymous"
>;

/** Beyond Docker: `IdMap` and `Overlay` of binds and volumes. */
function changeOf(mount: Mount, bad: Bad): MountChange {
  const idMap = mount.IdMap ?? "";
  if (mount.Type !== "bind" && mount.Type !== "volume") {
    if (idMap !== "") bad("field IdMap must not be specified");
    if (mount.Overlay) bad("field Overlay must not be specified");
  }
  if (mount.Overlay && mount.ReadOnly) bad("Overlay and ReadOnly exclude each other");
  return { ...(idMap !== "" && { idMap: parseIdMap(idMap) }), ...(mount.Overlay && { overlay: true }) };
}

function bindMount(mount: Mount, bad: Bad): Of<"bind"> {
  const options = mount.BindOptions ?? {};
  const source = mount.Source ?? "";
  const propagation = options.Propagation ?? "";
  if (source === "") bad("field Source must not be empty");
  if (propagation !== "" && !validPropagation(propagation)) bad(`invalid propagation mode: ${propagation}`);
  if (!source.startsWith("/")) bad(`invalid mount path: '${source}' mount path must be absolute`);
  if (options.ReadOnlyNonRecursive && options.ReadOnlyForceRecursive) {
    throw new EngineError("invalid", "mount options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive");
  }
  return {
    type: "bind",
    source: cleanPath(source),
    createSource: options.CreateMountpoint === true,
    recursive: options.NonRecursive !== true,
    propagation,
    readOnlyRecursive: options.ReadOnlyNonRecursive !== true,
    ...(options.ReadOnlyForceRecursive && { readOnlyForced: true }),
  };
}

function volumeMount(mount: Mount, bad: Bad): Of<"volume"> {
  const options = mount.VolumeOptions ?? {};
  const source = mount.Source ?? "";
  const subpath = options.Subpath ?? "";
  if (subpath !== "" && source === "") bad("must not set Subpath when using anonymous volumes");
  if (!isLocal(subpath)) bad("subpath must be a relative path within the volume");
  if (mount.ReadOnly && source === "") bad("must not set ReadOnly mode when using anonymous volumes");
  return {
    type: "volume",
    volume: source,
    driver: options.DriverConfig?.Name ?? "",
    labels: options.Labels ?? {},
    options: options.DriverConfig?.Options ?? {},
    copy: options.NoCopy !== true,
    subpath,
  };
}

function tmpfsMount(mount: Mount, bad: Bad): Of<"tmpfs"> {
  const options = mount.TmpfsOptions ?? {};
  const words = (options.Options ?? []).map((option) => {
    const [word = "", value, ...more] = option;
    if (option.length === 0 || more.length > 0) bad("invalid option array length");
    // beyond Docker: owners
    const owner = (word === "uid" || word === "gid") && /^\d{1,10}$/.test(value ?? "");
    if (word !== "exec" && word !== "noexec" && !owner) bad(`invalid option: ${word}`);
    return value === undefined ? word : `${word}=${value}`;
  });
  return {
    type: "tmpfs",
    sizeBytes: options.SizeBytes ?? 0,
    tmpfsMode: options.Mode ?? 0,
    options: words,
    listed: true,
  };
}

function optionFieldOf(mount: Mount): string | undefined {
  const type = mount.Type ?? "";
  return Object.hasOwn(optionFields, type) ? optionFields[type as keyof typeof optionFields] : undefined;
}

/** Stays below its root as text; that no link leads out of it is for the one who opens it. */
function isLocal(path: string): boolean {
  return path === "" || (!path.startsWith("/") && !posix.normalize(path).split("/").includes(".."));
}
