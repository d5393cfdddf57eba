import { adjectives, people } from "./words.ts";

/** A name for a container that was given none: `quiet_noether`. From the second try on a digit is added. */
export function randomName(tries: number): string {
  const name = `${pick(adjectives)}_${pick(people)}`;
  return tries === 0 ? name : `${name}${Math.floor(Math.random() * 10)}`;
}

const pick = (words: readonly string[]): string => words[Math.floor(Math.random() * words.length)] ?? "";
