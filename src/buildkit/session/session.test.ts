import { expect, test } from "bun:test";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { sessionPair } from "../fixtures/session-pair.ts";

test("a client that vanished without a word is gone after a while, one that only says nothing stays", async () => {
  await using quiet = await sessionPair(() => {}, { silentMs: 200 });
  await using vanished = await sessionPair(() => {}, { silentMs: 200 });
  vanished.client.pause(); // its end stays open, as that of a machine that lost its power
  await once(vanished.session.closed, "abort", { signal: AbortSignal.timeout(10_000) });
  await pause(600); // several times what a silent one has
  expect(quiet.session.closed.aborted).toBe(false);
});
