import { expect, test } from "bun:test";
import { containerFixture } from "./container.fixture.ts";
import { shouldRestart } from "./exits.ts";

const id = "a".repeat(64);
const withPolicy = (Name: "no" | "always" | "on-failure" | "unless-stopped", MaximumRetryCount = 0) =>
  containerFixture(id, { HostConfig: { RestartPolicy: { Name, MaximumRetryCount } } });

test.each([
  ["no", 1, false],
  ["always", 0, true],
  ["unless-stopped", 0, true],
  ["on-failure", 0, false],
  ["on-failure", 1, true],
] as const)("policy %s and exit code %i: restarts %p", (policy, code, restarts) => {
  expect(shouldRestart(withPolicy(policy), code)).toBe(restarts);
});

test("on-failure gives up after its number of restarts", () => {
  const container = withPolicy("on-failure", 2);
  expect(shouldRestart({ ...container, state: { ...container.state, restartCount: 1 } }, 1)).toBe(true);
  expect(shouldRestart({ ...container, state: { ...container.state, restartCount: 2 } }, 1)).toBe(false);
});

test("nothing restarts what a user stopped", () => {
  for (const policy of ["always", "unless-stopped", "on-failure"] as const) {
    const container = withPolicy(policy);
    expect(shouldRestart({ ...container, state: { ...container.state, stoppedByUser: true } }, 1)).toBe(false);
  }
});
