import { expect, test } from "bun:test";
import { aliases, commands, findCommand } from "./commands.ts";

test("every command knows its own path and aliases", async () => {
  const declared = Object.entries(aliases)
    .map(([alias, path]) => `${alias} -> ${path}`)
    .sort();
  const known: string[] = [];
  for (const [path, load] of Object.entries(commands)) {
    const command = await load();
    expect(command.path).toBe(path);
    for (const alias of command.aliases ?? []) known.push(`${alias} -> ${path}`);
  }
  expect(known.sort()).toEqual(declared);
});

test("no command has two flags with one letter", async () => {
  for (const [path, load] of Object.entries(commands)) {
    const letters = Object.values((await load()).flags).flatMap(({ short }) => (short === undefined ? [] : [short]));
    expect([path, new Set(letters).size]).toEqual([path, letters.length]);
  }
});

test("findCommand() finds aliases, and nothing that only objects have", () => {
  expect(findCommand("ps")).toBe(findCommand("container ls"));
  expect(findCommand("toString")).toBeUndefined();
});
