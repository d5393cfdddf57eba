import { EngineError } from "../base/errors.ts";
import { familiarName, parseReference } from "../spec/reference.ts";

/** Registries are not spoken to yet: what is not here is not found, in Docker's words and with the way out. */
export function pull(reference: string): never {
  const name = familiarName(parseReference(reference));
  throw new EngineError(
    "not-found",
    `pull access denied for ${name}, repository does not exist or may require 'docker login': this engine does not speak to registries yet, bring images by load or import`,
    { reference },
  );
}
