import { expect, test } from "bun:test";
import { command } from "./command.ts";
import { checkArity, usageHint } from "./invocation.ts";

const invocation = (path: string, args: string, min: number, max: number, flags = {}) => ({
  program: "docker",
  path,
  command: command({ path: `container ${path}`, args, arity: { min, max }, summary: "", flags, async run() {} }),
});

// recorded from docker 28.2.2
test("checkArity() counts in docker's words", () => {
  const some = { all: { type: "bool", help: "" } } as const;
  expect(() => checkArity(invocation("ps", "", 0, 0, some), 1)).toThrow(
    "docker: 'docker ps' accepts no arguments\n\nUsage:  docker ps [OPTIONS]\n\nRun 'docker ps --help' for more information",
  );
  expect(() => checkArity(invocation("rm", "CONTAINER [CONTAINER...]", 1, Infinity, some), 0)).toThrow(
    "docker: 'docker rm' requires at least 1 argument\n\nUsage:  docker rm [OPTIONS] CONTAINER [CONTAINER...]\n\nSee 'docker rm --help' for more information",
  );
  expect(() => checkArity(invocation("rename", "CONTAINER NEW_NAME", 2, 2), 1)).toThrow(
    "docker: 'docker rename' requires 2 arguments\n\nUsage:  docker rename CONTAINER NEW_NAME\n\nRun 'docker rename --help' for more information",
  );
  expect(() => checkArity(invocation("port", "CONTAINER [PRIVATE_PORT[/PROTO]]", 1, 2), 4)).toThrow(
    "docker: 'docker port' requires at least 1 and at most 2 arguments",
  );
  expect(() => checkArity(invocation("rm", "CONTAINER", 1, Infinity), 3)).not.toThrow();
});

test("usageHint() shows every usage of a command that has two", () => {
  const two = invocation("cp", "CONTAINER:SRC_PATH DEST_PATH|-", 2, 2);
  const shown = usageHint({ ...two, command: { ...two.command, usage: ["SRC_PATH|- CONTAINER:DEST_PATH"] } });
  expect(shown).toContain(
    "Usage:  docker cp CONTAINER:SRC_PATH DEST_PATH|-\n\tdocker cp SRC_PATH|- CONTAINER:DEST_PATH\n",
  );
});
