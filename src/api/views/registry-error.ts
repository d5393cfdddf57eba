import { EngineError, type ErrorKind } from "../../base/errors.ts";

/**
 * Failures of a registry as moby's faces give them: its own words, and 500 where the registry could not be asked or
 * was asked without credentials. A 401 would make the docker client ask its user for a password.
 */
export const registryError = <T>(work: () => Promise<T>): Promise<T> =>
  renamed(work, (error) => {
    const own = error.cause instanceof EngineError ? error.cause : error;
    const { code } = own.detail;
    if (code === "DENIED") return { kind: "forbidden", own };
    return { kind: own.kind === "unauthorized" && code === "UNAUTHORIZED" ? own.kind : faceKind(own.kind), own };
  });

/** The same for a pull, which dresses them in words of its own. */
export const pullError = <T>(work: () => Promise<T>): Promise<T> =>
  renamed(work, (error) => ({ kind: faceKind(error.kind), own: error }));

/** A login's: 401 is what it is about. */
export function loginFailure(error: unknown): never {
  if (!(error instanceof EngineError) || error.kind !== "unavailable") throw error;
  throw new EngineError("internal", error.message, { ...error.detail }, { cause: error });
}

const faceKind = (kind: ErrorKind): ErrorKind =>
  kind === "unavailable" || kind === "unauthorized" ? "internal" : kind;

async function renamed<T>(
  work: () => Promise<T>,
  judge: (error: EngineError) => { kind: ErrorKind; own: EngineError },
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const { kind, own } = judge(error);
    throw new EngineError(kind, own.message, { ...own.detail }, { cause: error });
  }
}
