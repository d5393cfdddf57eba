import { familiarName, parseReference } from "../../spec/reference.ts";

/** A reference of the command line in its short form: `busybox`, not `docker.io/library/busybox`. */
export interface ShortReference {
  /** `busybox`, `someone/app`, `host:5000/app`. */
  readonly name: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

/** Reads a reference as people write it; throws Docker's texts. */
export function parseShortReference(text: string): ShortReference {
  const reference = parseReference(text);
  return { name: familiarName(reference), tag: reference.tag, digest: reference.digest };
}
