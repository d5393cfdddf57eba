import type { ContainerDeps } from "./deps.ts";
import { isRunning } from "./books/state.ts";
import type { WaitCondition, WaitResult } from "./books/waiters.ts";

/**
 * Registers a waiter. `not-running` settles at once for a container that does not run; `next-exit` waits for the next
 * exit even then; `removed` waits for the removal and gives the last exit code.
 */
export function waitContainer(
  deps: ContainerDeps,
  ref: string,
  condition: WaitCondition,
  signal?: AbortSignal,
): { result: Promise<WaitResult> } {
  const { id, state } = deps.records.get(ref);
  if (condition === "not-running" && !isRunning(state)) {
    return { result: Promise.resolve({ exitCode: state.exitCode, ...(state.error !== "" && { error: state.error }) }) };
  }
  const result = deps.waiters.add(id, condition, signal);
  // Whoever asked may leave before it settles; a rejection nobody reads is no crash.
  result.catch(() => undefined);
  return { result };
}
