import { expect, test } from "bun:test";
import { nowNs } from "../../base/clock.ts";
import { containerFixture } from "../container.fixture.ts";
import { move } from "../books/state.ts";
import { judge } from "./health.ts";

const container = containerFixture("a".repeat(64), {
  Healthcheck: { Test: ["CMD", "true"], Retries: 2, StartPeriod: 60_000_000_000 },
});
const plan = container.plan.health;
if (!plan) throw new Error("the fixture has a health check");
const result = (exitCode: number) => ({ startNs: 1n, endNs: 2n, exitCode, output: "" });
const running = (startedAtNs: bigint) => ({
  ...container,
  state: move(container.state, "running", {
    startedAtNs,
    health: { status: "starting" as const, failingStreak: 0, log: [] },
  }),
});

test("a success makes it healthy at once, also in the start period", () => {
  expect(judge(running(nowNs()), plan, result(0))).toMatchObject({ status: "healthy", failingStreak: 0 });
});

test("failures in the start period do not count", () => {
  expect(judge(running(nowNs()), plan, result(1))).toMatchObject({ status: "starting", failingStreak: 0 });
});

test("after it, as many failures in a row as `retries` make it unhealthy", () => {
  const old = running(1n);
  const first = judge(old, plan, result(1));
  expect(first).toMatchObject({ status: "starting", failingStreak: 1 });
  const second = judge({ ...old, state: { ...old.state, health: first } }, plan, result(1));
  expect(second).toMatchObject({ status: "unhealthy", failingStreak: 2 });
});

test("the last five results are kept", () => {
  let state = running(1n);
  for (let n = 0; n < 7; n++) state = { ...state, state: { ...state.state, health: judge(state, plan, result(n)) } };
  expect(state.state.health?.log.map(({ exitCode }) => exitCode)).toEqual([2, 3, 4, 5, 6]);
});
