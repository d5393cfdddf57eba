import { EngineError } from "../base/errors.ts";

/** When automatic removal begins and where it stops: a part of the disk that is used, or bytes that images use. */
export interface WaterMarks {
  readonly high: Mark;
  readonly low: Mark;
  /** Images that came or were used later stay. */
  readonly minAgeMs: number;
}
export type Mark = { readonly percent: number } | { readonly bytes: number };

const defaultAgeMs = 10 * 60_000; // what was just pulled is about to be run
const units: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };
const ages: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `high=85%`, `low=70%` (or sizes: `200g`) and `age=1h`; nothing set means off. Throws `invalid`. */
export function readWaterMarks(setting: Readonly<Record<string, string>>): WaterMarks | undefined {
  const { high, low, age, ...others } = setting;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new EngineError("invalid", `image-gc knows high, low and age, not ${unknown}`);
  if (high === undefined && low === undefined && age === undefined) return undefined;
  if (high === undefined || low === undefined) throw new EngineError("invalid", "image-gc needs high and low");
  const marks = { high: mark(high), low: mark(low), minAgeMs: age === undefined ? defaultAgeMs : ageMs(age) };
  const [top, bottom] = [number(marks.high), number(marks.low)];
  if ("percent" in marks.high !== "percent" in marks.low || top <= bottom)
    throw new EngineError("invalid", `image-gc: high (${high}) must be more than low (${low}), and of the same kind`);
  return marks;
}

const number = (value: Mark): number => ("percent" in value ? value.percent : value.bytes);

function mark(text: string): Mark {
  const percent = /^(\d{1,2}(?:\.\d+)?)%$/.exec(text)?.[1];
  if (percent !== undefined) return { percent: Number(percent) };
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?$/i.exec(text) ?? [];
  if (digits !== undefined) return { bytes: Number(digits) * (units[unit.toLowerCase()] ?? 1) };
  throw new EngineError("invalid", `image-gc: ${JSON.stringify(text)} is neither a part (85%) nor a size (200g)`);
}

function ageMs(text: string): number {
  const [, digits, unit = "s"] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (digits === undefined)
    throw new EngineError("invalid", `image-gc: ${JSON.stringify(text)} is no age (10m, 1h, 7d)`);
  return Number(digits) * (ages[unit] ?? 1000);
}
