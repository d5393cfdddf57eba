import { expect, test } from "bun:test";
import { Arrivals } from "./arrivals.ts";

const missing = (): Error => new Error("not here");
const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "",
    (error: Error) => error.message,
  );

test("a value is given to those who asked before and after it arrived", async () => {
  const arrivals = new Arrivals<number>();
  const early = [1, 2].map(() => arrivals.get("a", { timeoutMs: 5000, missing }));
  expect(arrivals.add("a", 7)).toBe(true);
  expect(await Promise.all([...early, arrivals.get("a", { timeoutMs: 0, missing })])).toEqual([7, 7, 7]);
  expect(arrivals.add("a", 8)).toBe(false);
  expect([...arrivals.values()]).toEqual([7]);
});

test("who waits in vain, or stops waiting, is told", async () => {
  const arrivals = new Arrivals<number>();
  expect(await failure(arrivals.get("a", { timeoutMs: 1, missing }))).toBe("not here");
  expect(await failure(arrivals.get("a", { timeoutMs: 5000, missing, signal: AbortSignal.abort() }))).toBe("not here");
  const stop = new AbortController();
  const waiting = arrivals.get("a", { timeoutMs: 5000, missing, signal: stop.signal });
  stop.abort();
  expect(await failure(waiting)).toBe("not here");
  arrivals.add("a", 1);
  arrivals.delete("a");
  expect(await failure(arrivals.get("a", { timeoutMs: 1, missing }))).toBe("not here");
});
