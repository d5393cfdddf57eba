import { EngineError } from "../../base/errors.ts";
import type { ThrottleDevice } from "../../spec/engine/types.gen.ts";
import { parseBytes } from "./bytes.ts";

const invalid = (message: string, value: string): EngineError => new EngineError("invalid", message, { value });

function split(text: string): [path: string, value: string] {
  const colon = text.indexOf(":");
  if (colon < 0) throw invalid(`bad format: ${text}`, text);
  if (!text.startsWith("/dev/")) throw invalid(`bad format for device path: ${text}`, text);
  return [text.slice(0, colon), text.slice(colon + 1)];
}

/** `--device-read-bps /dev/sda:1mb` */
export function parseThrottleBps(text: string): ThrottleDevice {
  const [Path, rate] = split(text);
  try {
    return { Path, Rate: parseBytes(rate) };
  } catch {
    // docker does not say which part is wrong, it shows the form.
    throw invalid(
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb`,
      text,
    );
  }
}

/** `--device-read-iops /dev/sda:1000` */
export function parseThrottleIops(text: string): ThrottleDevice {
  const [Path, rate] = split(text);
  if (!/^\d+$/.test(rate))
    throw invalid(
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>. Number must be a positive integer`,
      text,
    );
  return { Path, Rate: Number(rate) };
}

/** `--blkio-weight-device /dev/sda:200` */
export function parseWeightDevice(text: string): { Path: string; Weight: number } {
  const [Path, weight] = split(text);
  const Weight = /^\d+$/.test(weight) ? Number(weight) : Number.NaN;
  if (!(Weight === 0 || (Weight >= 10 && Weight <= 1000))) throw invalid(`invalid weight for device: ${text}`, text);
  return { Path, Weight };
}
