import { errorKind } from "../../base/errors.ts";

/** Waits for all, then throws what failed first for a reason of its own: those that were stopped for it say nothing. */
export async function all(work: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  const reasons = results.flatMap((result) => (result.status === "rejected" ? [asError(result.reason)] : []));
  const first = reasons.find((reason) => errorKind(reason) !== "cancelled") ?? reasons[0];
  if (first) throw first;
}

export const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));
