import { expect, test } from "bun:test";
import { Waiters } from "./waiters.ts";

test("an exit wakes next-exit and not-running, a removal wakes everybody", async () => {
  const waiters = new Waiters();
  const next = waiters.add("a", "next-exit");
  const stopped = waiters.add("a", "not-running");
  const removed = waiters.add("a", "removed");
  const other = waiters.add("b", "next-exit");
  waiters.exited("a", { exitCode: 7 });
  expect(await Promise.all([next, stopped])).toEqual([{ exitCode: 7 }, { exitCode: 7 }]);
  waiters.removed("a", { exitCode: 9 });
  expect(await removed).toEqual({ exitCode: 9 });
  waiters.removed("b", { exitCode: 137 });
  expect(await other).toEqual({ exitCode: 137 });
});

test("a signal takes a waiter away, also one that fired before", async () => {
  const waiters = new Waiters();
  const abort = new AbortController();
  const waiting = waiters.add("a", "next-exit", abort.signal);
  abort.abort();
  expect(waiting).rejects.toMatchObject({ kind: "cancelled" });
  expect(waiters.add("a", "removed", AbortSignal.abort())).rejects.toMatchObject({ kind: "cancelled" });
});
