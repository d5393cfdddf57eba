import { cancelled } from "./cancelled.ts";
import { facts } from "../http/failure.ts";

const mostDelayMs = 15_000;
/** A registry that wants us to wait longer gets its way by an error that says so. */
const mostPatienceMs = 60_000;

export interface RetryPolicy {
  readonly attempts: number;
  readonly firstDelayMs: number;
  /** Also where nobody listens: a transfer under way may wait for a registry that starts again. */
  readonly insist?: boolean;
}

/** Does work that may be repeated until it succeeds, fails for good, or was tried often enough. */
export async function retrying<T>(
  work: () => Promise<T>,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      if (signal?.aborted) throw cancelled();
      const hopeless = facts(error).unreached === true && policy.insist !== true;
      if (failures >= policy.attempts || hopeless || !mayRetry(error)) throw error;
      await pause(error, failures, policy, signal);
    }
  }
}

export function mayRetry(error: unknown): boolean {
  const { transient, retryAfterMs = 0 } = facts(error);
  return transient === true && retryAfterMs <= mostPatienceMs;
}

/** Waits before the next try: what the registry asked for, else twice as long each time, never in step with others. */
export async function pause(
  error: unknown,
  failures: number,
  { firstDelayMs }: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<void> {
  const growing = Math.min(mostDelayMs, firstDelayMs * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
  const waitMs = Math.max(growing, facts(error).retryAfterMs ?? 0);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, waitMs);
  const abort = (): void => reject(cancelled());
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
