import { EngineError } from "../base/errors.ts";
import type { Caller } from "../spec/caller.ts";
import { checkName } from "./create/create.ts";
import type { ContainerDeps } from "./deps.ts";
import { publish } from "./events.ts";

/** Gives a container another name. */
export function renameContainer(deps: ContainerDeps, ref: string, given: string, caller: Caller): void {
  const container = deps.records.get(ref);
  const name = given.startsWith("/") ? given.slice(1) : given;
  if (name === "") throw new EngineError("invalid", "Neither old nor new names may be empty");
  if (name === container.name)
    throw new EngineError("invalid", "Renaming a container with the same name as its current name", { name });
  const renamed = allocating(() => {
    checkName(name, given);
    return deps.records.change(container.id, { name });
  });
  deps.networks.rename(container.id, name); // nothing when it has no namespace; one that starts may have it already
  publish(deps.events, renamed, "rename", caller, { oldName: `/${container.name}` });
}

/** moby parity: a name that cannot be had is told in these words before its reason. */
function allocating<T>(change: () => T): T {
  try {
    return change();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new EngineError(error.kind, `Error when allocating new name: ${error.message}`, error.detail, {
      cause: error,
    });
  }
}
