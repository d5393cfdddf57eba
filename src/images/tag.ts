import { EngineError } from "../base/errors.ts";
import type { Caller } from "../spec/caller.ts";
import { checkTag, familiarReference, parseReference, withDefaultTag } from "../spec/reference.ts";
import type { ImageDeps } from "./deps.ts";
import { tell } from "./events.ts";

/** The familiar reference that `repository` and `tag` of a request mean; empty for no repository. */
export function targetReference(repository: string, tag: string, what: string): string {
  if (repository === "") return "";
  const named = parseReference(repository);
  if (named.digest !== undefined) throw new EngineError("invalid", what);
  if (tag === "") return familiarReference(withDefaultTag(named));
  if (tag.includes(":")) throw new EngineError("invalid", what); // a digest
  checkTag(tag);
  return familiarReference({ ...named, tag });
}

/** Moves `repository:tag` to the image. */
export function tag(
  deps: ImageDeps,
  reference: string,
  target: { repository: string; tag: string },
  caller: Caller,
): void {
  const image = deps.book.resolve(reference);
  if (target.repository === "") throw new EngineError("invalid", "invalid reference format");
  const name = targetReference(target.repository, target.tag, "refusing to create a tag with a digest reference");
  // the new name stands for the same manifest or index: what came with all platforms goes with all
  deps.book.point(name, image.id, { target: deps.book.targetOf(reference) });
  tell(deps, "tag", image, name, caller);
}
