import { isAbsolute, join } from "node:path";
import { ExitError } from "../exit-error.ts";

/** `-v` values: what has a source goes as a bind, with a relative source made absolute; the rest is an anonymous volume. */
export function splitVolumes(specs: readonly string[]): { binds: string[]; anonymous: string[] } {
  const binds: string[] = [];
  const anonymous: string[] = [];
  for (const spec of specs) {
    if (spec === "") throw new ExitError(125, "invalid empty volume spec");
    const parts = spec.split(":");
    const problem =
      parts.length > 3
        ? "too many colons"
        : parts.some((part) => part === "")
          ? "empty section between colons"
          : undefined;
    if (problem !== undefined) throw new ExitError(125, `invalid spec: ${spec}: ${problem}`);
    const [source = ""] = parts;
    if (parts.length === 1) anonymous.push(spec);
    else binds.push([isRelative(source) ? join(process.cwd(), source) : source, ...parts.slice(1)].join(":"));
  }
  return { binds, anonymous };
}

/** docker takes `.`, `./x` and `../x` for paths; other words are names of volumes. */
const isRelative = (source: string): boolean => !isAbsolute(source) && /^\.{1,2}(\/|$)/.test(source);
