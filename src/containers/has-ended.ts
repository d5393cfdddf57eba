import { closeSync } from "node:fs";
import { openIdentified, pidfdState } from "../kernel/process/pidfd.ts";
import { isLive } from "./books/state.ts";
import type { Container } from "./container.ts";
import type { ContainerDeps } from "./deps.ts";

/** How long the news of an exit may take behind the exit: the monitor first delivers what is left of the output. */
const newsTimeoutMs = 5_000;

/** Whether the run that a snapshot shows is over, be it that nobody has told of its exit yet. */
export function hasEnded(deps: ContainerDeps, { id, state }: Container): boolean {
  const now = deps.records.find(id);
  if (!now || !isLive(now.state) || now.state.run !== state.run) return true;
  const pidfd = openIdentified(now.state.pid, now.state.pidIdentity);
  if (pidfd === undefined) return true;
  try {
    return pidfdState(pidfd) !== "alive";
  } finally {
    closeSync(pidfd);
  }
}

/** Waits until the exit of a run that has ended is written down; false when that takes too long. */
export async function exitWritten(deps: ContainerDeps, { id, state }: Container): Promise<boolean> {
  const now = deps.records.find(id);
  if (!now || !isLive(now.state) || now.state.run !== state.run) return true;
  return deps.waiters.add(id, "next-exit", AbortSignal.timeout(newsTimeoutMs)).then(
    () => true,
    () => false,
  );
}
