import { expect, test } from "bun:test";
import { ProgressLog, type StatusUpdate } from "./progress-log.ts";

const log = (text: string): StatusUpdate => ({
  logs: [{ vertex: "v", stream: 1n, msg: new TextEncoder().encode(text) }],
});
const never = new AbortController().signal;
const collect = (progress: ProgressLog, signal = never): Promise<StatusUpdate[]> =>
  Array.fromAsync(progress.read(signal));

test("every reader gets all of it, from the start, whenever he comes", async () => {
  const progress = new ProgressLog();
  const early = collect(progress);
  progress.add(log("1"));
  await Promise.resolve();
  progress.add(log("2"));
  progress.end();
  progress.add(log("too late"));
  expect(await early).toEqual([log("1"), log("2")]);
  expect(await collect(progress)).toEqual([log("1"), log("2")]);
});

test("a reader that leaves is let go", async () => {
  const progress = new ProgressLog();
  progress.add(log("1"));
  expect(await collect(progress, AbortSignal.timeout(20))).toEqual([log("1")]);
});

test("old output goes when there is too much of it, what steps were there stays", async () => {
  const progress = new ProgressLog();
  progress.add({ vertexes: [{ digest: "v", name: "one" }] });
  const piece = "x".repeat(1024 * 1024);
  for (let count = 0; count < 10; count++) progress.add(log(piece));
  progress.add({ vertexes: [{ digest: "v", name: "two" }] });
  progress.end();
  const updates = await collect(progress);
  const bytes = updates.reduce((sum, { logs }) => sum + (logs?.[0]?.msg?.length ?? 0), 0);
  expect(bytes).toBe(4 * 1024 * 1024);
  expect(updates.flatMap(({ vertexes }) => vertexes?.map(({ name }) => name) ?? [])).toEqual(["one", "two"]);
});
