import { expect, test } from "bun:test";
import type { EngineError } from "../../base/errors.ts";
import type { HostConfig } from "../../spec/engine/types.gen.ts";
import { normalized, testHost } from "./request.fixture.ts";
import { normalizeUpdate } from "./update.ts";

const update = (HostConfig: HostConfig, change: Parameters<typeof normalizeUpdate>[2]) =>
  normalizeUpdate("abc", normalized({ HostConfig }), change, testHost);

test("normalizeUpdate() changes what is given and keeps the rest", () => {
  const { plan, request } = update(
    { Memory: 64e6, CpuShares: 100 },
    { CpuShares: 0, Memory: 100e6, PidsLimit: 50, RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 } },
  );
  expect(plan.resources).toMatchObject({ memory: 100e6, memorySwap: 128e6, cpuShares: 100, pids: 50 });
  expect(plan.restart).toEqual({ policy: "on-failure", maximumRetries: 2 });
  expect(request.hostConfig).toMatchObject({
    Memory: 100e6,
    CpuShares: 100,
    PidsLimit: 50,
    RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 },
  });
});

test("normalizeUpdate() takes limits away: pids -1, swap -1", () => {
  const { plan, request } = update({ Memory: 64e6, PidsLimit: 5 }, { PidsLimit: -1, MemorySwap: -1 });
  expect(plan.resources).toMatchObject({ pids: 0, memorySwap: -1 });
  expect(request.hostConfig.PidsLimit).toBeNull();
});

test.each([
  [
    { Memory: 64e6 },
    { Memory: 200e6 },
    "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
  ],
  [
    { NanoCpus: 1e9 },
    { CpuQuota: 50000 },
    "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
  ],
  [
    { CpuPeriod: 50000 },
    { NanoCpus: 1e9 },
    "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
  ],
  [
    { AutoRemove: true },
    { RestartPolicy: { Name: "always" as const } },
    "Restart policy cannot be updated because AutoRemove is enabled for the container",
  ],
])("normalizeUpdate() %j by %j is a conflict", (before, change, text) => {
  let thrown: unknown;
  try {
    update(before, change);
  } catch (error) {
    thrown = error;
  }
  expect((thrown as EngineError).kind).toBe("conflict");
  expect((thrown as EngineError).message).toBe(`Cannot update container abc: ${text}`);
});

test("normalizeUpdate() refuses what a create refuses", () => {
  expect(() => update({}, { Memory: 1 })).toThrow("Minimum memory limit allowed is 6MB");
  expect(() => update({ Memory: 64e6 }, { MemorySwap: 32e6 })).toThrow(
    "Minimum memoryswap limit should be larger than memory limit",
  );
  expect(() => update({}, { CpusetCpus: "9" })).toThrow("Requested CPUs are not available");
});
