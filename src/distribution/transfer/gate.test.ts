import { expect, test } from "bun:test";
import { failure } from "../fixtures/bytes.ts";
import { Gate } from "./gate.ts";

test("a gate lets so many pass, in the order they came, and may be widened", async () => {
  const gate = new Gate(1);
  const entered: number[] = [];
  const first = await gate.enter(undefined);
  const others = [1, 2, 3].map(async (number) => {
    const place = await gate.enter(undefined);
    entered.push(number);
    return place;
  });
  await Bun.sleep(0);
  expect(entered).toEqual([]);
  first[Symbol.dispose]();
  first[Symbol.dispose](); // twice gives one place
  await others[0];
  expect(entered).toEqual([1]);
  gate.width = 3;
  await Promise.all(others);
  expect(entered).toEqual([1, 2, 3]);
});

test("who stops waiting leaves the queue", async () => {
  const gate = new Gate(1);
  const place = await gate.enter(undefined);
  const stop = new AbortController();
  const waiting = gate.enter(stop.signal);
  const after = gate.enter(undefined);
  stop.abort();
  expect((await failure(waiting)).kind).toBe("cancelled");
  place[Symbol.dispose]();
  (await after)[Symbol.dispose]();
  expect((await failure(gate.enter(AbortSignal.abort()))).kind).toBe("cancelled");
});
