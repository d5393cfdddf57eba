import { expect, test } from "bun:test";
import { randomName } from "./names.ts";
import { adjectives, people } from "./words.ts";

test("randomName() gives names that Docker's rule allows, later ones with a digit", () => {
  for (let tries = 0; tries < 200; tries++) {
    expect(randomName(tries)).toMatch(tries === 0 ? /^[a-z]+_[a-z]+$/ : /^[a-z]+_[a-z]+\d$/);
  }
});

test("the words are many and all different", () => {
  for (const words of [adjectives, people]) {
    expect(new Set(words).size).toBe(words.length);
    expect(words.length).toBeGreaterThan(90);
  }
});
