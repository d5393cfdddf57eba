import type { Command } from "./command.ts";
import { ExitError } from "./exit-error.ts";

/** Which command was asked for, and how: what usage texts need. */
export interface Invocation {
  readonly program: string;
  /** `ps` or `container ls`. */
  readonly path: string;
  readonly command: Command;
}

/** The usage line without the word "Usage": `docker ps [OPTIONS]`. */
export function usageLines({ program, path, command }: Invocation): string {
  const options = Object.values(command.flags).some((row) => row.hidden !== true) ? " [OPTIONS]" : "";
  return [command.args, ...(command.usage ?? [])]
    .map((args) => `${program} ${path}${options}${args === "" ? "" : ` ${args}`}`)
    .join("\n\t");
}

/** The text under a mistake: usage and where help is. docker 28 says "See" for too few arguments and "Run" elsewhere. */
export function usageHint(invocation: Invocation, verb: "See" | "Run" = "Run"): string {
  return `\n\nUsage:  ${usageLines(invocation)}\n\n${verb} '${invocation.program} ${invocation.path} --help' for more information`;
}

/** Throws docker's text when the number of arguments is wrong. */
export function checkArity(invocation: Invocation, count: number, set: ReadonlySet<string> = new Set()): void {
  const { min, max, noneWith } = invocation.command.arity;
  if (count >= min && count <= max) return;
  if (count === 0 && noneWith !== undefined && set.has(noneWith)) return;
  const { program, path } = invocation;
  const wrong = (wish: string, verb: "See" | "Run" = "Run") =>
    new ExitError(1, `${program}: '${program} ${path}' ${wish}${usageHint(invocation, verb)}`);
  if (max === 0) throw wrong("accepts no arguments");
  if (min === max) throw wrong(`requires ${words(min)}`);
  if (max === Infinity) throw wrong(`requires at least ${words(min)}`, "See");
  if (min === 0) throw wrong(`requires at most ${words(max)}`);
  throw wrong(`requires at least ${min} and at most ${words(max)}`);
}

const words = (count: number): string => `${count} ${count === 1 ? "argument" : "arguments"}`;
