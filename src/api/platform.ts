import { EngineError } from "../base/errors.ts";

/** A platform of the wire, `{"os":"linux","architecture":"arm64"}`, as `linux/arm64`. */
export function readPlatform(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new EngineError("invalid", `invalid platform: ${JSON.stringify(text)} is not JSON`);
  }
  const { os, architecture, variant } = (value ?? {}) as Partial<Record<string, unknown>>;
  if (typeof os !== "string" || typeof architecture !== "string")
    throw new EngineError("invalid", "invalid platform: both os and architecture must be provided"); // moby parity
  return [os, architecture, ...(typeof variant === "string" && variant !== "" ? [variant] : [])].join("/");
}
