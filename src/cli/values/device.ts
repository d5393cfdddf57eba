import { posix } from "node:path";
import { EngineError } from "../../base/errors.ts";
import type { DeviceMapping } from "../../spec/engine/types.gen.ts";

/** `--device /dev/a[:/dev/b][:rwm]` with docker's checks. */
export function parseDevice(text: string): DeviceMapping {
  const invalid = (message: string): EngineError => new EngineError("invalid", message, { value: text });
  const parts = text.split(":");
  const [first = "", second, third] = parts;
  if (parts.length > 3 || first === "") throw invalid(`bad format for path: ${text}`);
  if (third !== undefined && !isDeviceMode(third)) throw invalid(`bad mode specified: ${third}`);
  const secondIsMode = third === undefined && second !== undefined && isDeviceMode(second);
  const inContainer = second === undefined || secondIsMode ? first : second;
  if (!inContainer.startsWith("/")) throw invalid(`${inContainer} is not an absolute path`);
  return {
    PathOnHost: second === undefined || secondIsMode ? posix.normalize(first) : first,
    PathInContainer: posix.normalize(inContainer),
    CgroupPermissions: third ?? (secondIsMode ? second : "rwm"),
  };
}

/** Some of r, w and m, each once. */
function isDeviceMode(text: string): boolean {
  return /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;
}

/** `--device-cgroup-rule "c 1:3 mr"`; throws docker's text. */
export function checkDeviceCgroupRule(text: string): void {
  if (!/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(text))
    throw new EngineError("invalid", `invalid device cgroup format '${text}'`, { value: text });
}
