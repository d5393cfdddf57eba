import { EngineError } from "../base/errors.ts";
import type { CacheLocation } from "../build/build.ts";

/** `type=registry,ref=...,mode=max`, `type=local,src=...`, `type=inline`. Throws `invalid`. */
export function cacheLocation(row: Readonly<Record<string, string>>, direction: "from" | "to"): CacheLocation {
  const { type = "registry", ref = "", src = "", dest = "", mode = "min" } = row;
  if (mode !== "min" && mode !== "max")
    throw new EngineError("invalid", `invalid cache mode ${JSON.stringify(mode)}: min or max`);
  const place = type === "local" ? (direction === "from" ? src : dest) : ref;
  switch (type) {
    case "registry":
    case "local":
      if (place === "")
        throw new EngineError(
          "invalid",
          type === "local"
            ? `cache of type local needs ${direction === "from" ? "src" : "dest"}`
            : "cache of type registry needs ref",
        );
      return { type, place, mode };
    case "inline":
      return { type, place: "", mode };
    default:
      throw new EngineError("invalid", `unknown cache type ${JSON.stringify(type)}: known are registry, local, inline`);
  }
}
