import { EngineError } from "../../base/errors.ts";

export const cancelled = (): EngineError => new EngineError("cancelled", "the transfer was cancelled");

/** The result of work that others wait for too; a signal ends the waiting alone. Throws `cancelled`. */
export async function unlessCancelled<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  const stop = Promise.withResolvers<never>();
  const abort = (): void => stop.reject(cancelled());
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, stop.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
