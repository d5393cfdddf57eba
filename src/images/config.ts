import { EngineError } from "../base/errors.ts";
import type { OciImageConfig } from "../spec/oci/image.ts";

/** Configurations are some kilobytes; those of generated images with long histories some hundred. */
export const maxConfigBytes = 8 * 1024 * 1024;

/**
 * Reads an image's configuration: form, platform and layers. Throws `invalid`, with Docker's text for what is an
 * artifact and no image.
 */
export function readConfig(bytes: Uint8Array): OciImageConfig {
  if (bytes.length > maxConfigBytes) throw bad(`it is longer than ${maxConfigBytes} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw bad("it is not JSON");
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw bad("it is no JSON object");
  const { rootfs, os, architecture, history, config, variant } = value as Partial<Record<string, unknown>>;
  if (rootfs === undefined || rootfs === null || typeof rootfs !== "object")
    throw new EngineError("invalid", "invalid rootfs in image configuration"); // moby parity
  const { type, diff_ids: diffIds } = rootfs as Partial<Record<string, unknown>>;
  if (type !== "layers") throw bad(`its layers are of type ${JSON.stringify(type ?? null)}`);
  const ids = diffIds ?? [];
  if (!Array.isArray(ids) || !ids.every((id) => typeof id === "string" && /^sha256:[0-9a-f]{64}$/.test(id)))
    throw bad("its diff_ids are no digests");
  if (ids.length > maxLayers) throw bad(`it has more than ${maxLayers} layers`);
  if (typeof os !== "string" || typeof architecture !== "string") throw bad("it names no platform");
  if (variant !== undefined && typeof variant !== "string") throw bad("its variant is no text");
  if (history !== undefined && history !== null && !Array.isArray(history)) throw bad("its history is no list");
  if (config !== undefined && config !== null && (typeof config !== "object" || Array.isArray(config)))
    throw bad("its config is no object");
  return { ...value, rootfs: { type: "layers", diff_ids: ids } } as OciImageConfig;
}

/** overlayfs takes 500 lower layers; Docker refuses more than 127 at commit. */
const maxLayers = 500;

const bad = (why: string): EngineError => new EngineError("invalid", `invalid image configuration: ${why}`);
