import { EngineError } from "../base/errors.ts";
import { familiarReference, parseReference, withDefaultTag } from "../spec/reference.ts";

/** A name for the result, `name[:tag]`, with its tag. Throws `invalid` for a digest, which nobody can choose. */
export function normalTag(name: string): string {
  const reference = parseReference(name);
  if (reference.digest !== undefined)
    throw new EngineError("invalid", "build tag cannot contain a digest", { reference: name });
  return familiarReference(withDefaultTag(reference));
}
