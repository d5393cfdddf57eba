import { expect, test } from "bun:test";
import { AsyncQueue } from "./async-queue.ts";

test("values come in order, and a push waits until its value was taken", async () => {
  const queue = new AsyncQueue<number>();
  const order: string[] = [];
  const pushes = [1, 2].map((value) => queue.push(value).then(() => order.push(`taken ${value}`)));
  for await (const value of queue) {
    order.push(`got ${value}`);
    if (value === 2) queue.end();
  }
  await Promise.all(pushes);
  expect(order.filter((line) => line.startsWith("got"))).toEqual(["got 1", "got 2"]);
  expect(order.indexOf("taken 1")).toBeGreaterThan(order.indexOf("got 1"));
  expect(order.indexOf("taken 2")).toBeGreaterThan(order.indexOf("got 2"));
});

test("nobody waits for a reader that left, or for an end that came", async () => {
  const queue = new AsyncQueue<number>();
  const pushes = [queue.push(1), queue.push(2)];
  for await (const _ of queue) break;
  await Promise.all([...pushes, queue.push(3)]);
  const ended = new AsyncQueue<number>();
  ended.end();
  await ended.push(1);
  expect(await Array.fromAsync(ended)).toEqual([]);
});
