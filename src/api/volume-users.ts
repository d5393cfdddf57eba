import { EngineError } from "../base/errors.ts";
import type { ApiDeps } from "./deps.ts";

/**
 * Does something to a volume; a refusal because containers use it names them. Docker's text, which clients match,
 * lists their ids only: the names follow it.
 */
export async function namingUsers<Value>(
  deps: Pick<ApiDeps, "containers">,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof EngineError) || !Array.isArray(error.detail["users"])) throw error;
    const users = new Set(error.detail["users"].map(String));
    const names = deps.containers
      .list()
      .filter(({ id }) => users.has(id))
      .map(({ name }) => JSON.stringify(name));
    if (names.length === 0) throw error;
    throw new EngineError(error.kind, `${error.message}: used by ${names.join(", ")}`, error.detail, { cause: error });
  }
}
