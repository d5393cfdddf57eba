import { EngineError } from "../../base/errors.ts";

/**
 * Failures of a registry as moby's faces give them: its own words (a pull dresses them for its stream), and 500 where
 * the registry could not be asked.
 */
export async function registryError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const own = error.cause instanceof EngineError ? error.cause : error;
    const kind = own.detail["code"] === "DENIED" ? "forbidden" : own.kind === "unavailable" ? "internal" : own.kind;
    throw new EngineError(kind, own.message, { ...own.detail }, { cause: error });
  }
}
