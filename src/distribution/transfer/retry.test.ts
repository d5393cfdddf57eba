import { expect, test } from "bun:test";
import { EngineError } from "../../base/errors.ts";
import { failure } from "../fixtures/bytes.ts";
import { retrying } from "./retry.ts";

const policy = { attempts: 3, firstDelayMs: 1 };
const passing = (detail: Record<string, unknown> = {}): EngineError =>
  new EngineError("unavailable", "busy", { transient: true, ...detail });

test("retrying() gives up after the last attempt, and at once on what will not pass", async () => {
  let count = 0;
  const work = (error: EngineError) => (): Promise<never> => {
    count++;
    return Promise.reject(error);
  };
  expect((await failure(retrying(work(passing()), policy, undefined))).message).toBe("busy");
  expect(count).toBe(3);
  count = 0;
  await failure(retrying(work(new EngineError("invalid", "wrong")), policy, undefined));
  expect(count).toBe(1);
});

test("retrying() asks again where nobody listens only if it is told to insist", async () => {
  let count = 0;
  const work = (): Promise<never> => {
    count++;
    return Promise.reject(passing({ unreached: true }));
  };
  await failure(retrying(work, policy, undefined));
  expect(count).toBe(1);
  await failure(retrying(work, { ...policy, insist: true }, undefined));
  expect(count).toBe(4);
});

test("retrying() waits as long as the registry asks, unless that is too long", async () => {
  let tries = 0;
  const startedAt = performance.now();
  const value = await retrying(
    async () => {
      if (++tries === 1) throw passing({ retryAfterMs: 200 });
      return "done";
    },
    policy,
    undefined,
  );
  expect(value).toBe("done");
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(195);
  tries = 0;
  await failure(
    retrying(
      async () => {
        tries++;
        throw passing({ retryAfterMs: 3_600_000 });
      },
      policy,
      undefined,
    ),
  );
  expect(tries).toBe(1);
});

test("retrying() stops waiting when it is cancelled", async () => {
  const stop = new AbortController();
  const work = retrying(() => Promise.reject(passing()), { attempts: 5, firstDelayMs: 600_000 }, stop.signal);
  setTimeout(() => stop.abort(), 5);
  expect((await failure(work)).kind).toBe("cancelled");
});
