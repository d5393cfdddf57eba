import { EngineError } from "../../../base/errors.ts";
import type { MountPlan } from "../../plan.ts";
import { parseIdMap } from "./id-map.ts";
import { readMode, validMode } from "./mount-mode.ts";
import { cleanPath } from "../process.ts";

/**
 * Reads a row of HostConfig.Binds: `/host:/target[:mode]`, `name:/target[:mode]`, or `/target` alone for an anonymous
 * volume. Throws Docker's texts.
 */
export function parseBind(row: string, volumeDriver: string): MountPlan {
  const parts = row.split(":");
  const bad = (why?: string): never => {
    const text = `invalid volume specification: '${row}'`;
    throw new EngineError("invalid", why === undefined ? text : `${text}: ${why}`, { bind: row });
  };
  if (parts.length > 3 || parts[0] === "" || row.includes("\0")) bad();
  const [source, rawTarget, mode] =
    parts.length === 1 ? ["", parts[0] ?? "", ""] : [parts[0] ?? "", parts[1] ?? "", parts[2] ?? ""];
  // `/data:ro` is no volume: a mode needs a source
  if (parts.length === 2 && validMode(rawTarget)) bad();
  if (!validMode(mode)) throw new EngineError("invalid", `invalid mode: ${mode}`, { bind: row });

  const type = source.startsWith("/") ? "bind" : "volume";
  const config = (why: string): never => bad(`invalid mount config for type "${type}": ${why}`);
  if (cleanPath(rawTarget) === "/") config("invalid specification: destination can't be '/'");
  if (!rawTarget.startsWith("/")) config(`invalid mount path: '${rawTarget}' mount path must be absolute`);
  const { readOnly, noCopy, propagation, overlay, idMap } = readMode(mode);
  if (overlay && readOnly) bad("O and ro exclude each other");
  if ((overlay || idMap !== undefined) && source === "") bad("O and idmap need a source");
  const common = {
    target: cleanPath(rawTarget),
    readOnly,
    ...(overlay && { overlay: true }),
    ...(idMap !== undefined && { idMap: parseIdMap(idMap) }),
  };
  if (type === "bind") {
    if (noCopy) config("field VolumeOptions must not be specified");
    return {
      ...common,
      type,
      mode,
      anonymous: false,
      source: cleanPath(source),
      createSource: true,
      recursive: true,
      propagation,
      readOnlyRecursive: true,
    };
  }
  if (propagation) config("field BindOptions must not be specified");
  if (readOnly && source === "") config("must not set ReadOnly mode when using anonymous volumes");
  // moby parity: a local volume is shown with mode z even though nothing is relabelled
  return {
    ...common,
    type,
    mode: mode || "z",
    anonymous: source === "",
    volume: source,
    driver: volumeDriver,
    labels: {},
    options: {},
    copy: !noCopy,
    subpath: "",
  };
}

/** Reads a row of VolumesFrom, `container[:mode]`. */
export function parseVolumesFrom(row: string): { ref: string; readOnly: boolean } {
  if (row === "") throw new EngineError("invalid", "volumes-from specification cannot be an empty string");
  const [ref = "", ...rest] = row.split(":");
  const mode = rest.join(":");
  const read = readMode(mode);
  // propagation and copying come with the original mount
  if (!validMode(mode) || read.propagation || read.noCopy || read.overlay || read.idMap !== undefined)
    throw new EngineError("invalid", `invalid mode: ${mode}`, { volumesFrom: row });
  return { ref, readOnly: read.readOnly };
}
