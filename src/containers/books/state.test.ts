import { expect, test } from "bun:test";
import { initialState, isLive, isRunning, move } from "./state.ts";

test("move() walks created, running, paused, running, exited, removing", () => {
  const running = move(initialState, "running", { pid: 5 });
  expect(running).toMatchObject({ status: "running", pid: 5 });
  const exited = move(move(move(running, "paused"), "running"), "exited", { exitCode: 3, pid: 0 });
  expect(exited).toMatchObject({ status: "exited", exitCode: 3 });
  expect(move(exited, "removing").status).toBe("removing");
});

test("move() refuses what cannot be: a created container does not exit, a removing one does not run", () => {
  expect(() => move(initialState, "exited")).toThrow("a container that is created cannot become exited");
  expect(() => move(move(initialState, "removing"), "running")).toThrow("cannot become running");
  expect(() => move(initialState, "paused")).toThrow();
});

test("a container between two runs of its policy is running for Docker, and has no process", () => {
  const restarting = move(move(initialState, "running"), "restarting");
  expect([isLive(restarting), isRunning(restarting)]).toEqual([false, true]);
});
