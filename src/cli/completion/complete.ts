import type { EngineClient } from "../../client/engine-client.ts";
import type { Command, Completer, FlagRow, FlagTable } from "../command.ts";
import { findCommand, groups, pathsOf } from "../commands.ts";
import { globalFlags } from "../global-flags.ts";
import { namesFor } from "./names.ts";

export interface Candidate {
  readonly word: string;
  readonly description?: string;
}

/** cobra's directives: 0 lets the shell complete files, 4 does not. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly directive: 0 | 4;
}

const files: Completion = { candidates: [], directive: 0 };
const nothing: Completion = { candidates: [], directive: 4 };

/**
 * What may stand where the cursor is. `words` are those after the program's name, the last one being typed (empty
 * after a blank). The engine is asked for names only, and given up on after a second.
 */
export async function complete(words: readonly string[], engine: () => EngineClient): Promise<Completion> {
  const typed = words.at(-1) ?? "";
  const before = skipGlobalFlags(words.slice(0, -1));
  if (before === undefined) return files;
  const [first, second] = before;
  if (first === undefined)
    return typed.startsWith("-") ? flagNames(globalFlags, typed, new Set()) : commandNames("", typed);
  const grouped = Object.hasOwn(groups, first);
  if (grouped && second === undefined) return commandNames(first, typed);
  const load = findCommand(grouped ? `${first} ${second}` : first);
  if (load === undefined) return nothing;
  return completeCommand(await load(), { before: before.slice(grouped ? 2 : 1), typed, engine });
}

/** Leaves out `-H host` and its kin; undefined when the last of them waits for its value. */
function skipGlobalFlags(words: readonly string[]): readonly string[] | undefined {
  let index = 0;
  for (let word = words[index]; word?.startsWith("-") === true && word !== "-"; word = words[index]) {
    const flag = flagOf(globalFlags, word);
    const takesNext =
      flag !== undefined &&
      flag.row.type !== "bool" &&
      !word.includes("=") &&
      (word.startsWith("--") || word.length === 2);
    index += takesNext ? 2 : 1;
    if (index > words.length) return undefined;
  }
  return words.slice(index);
}

/** The flag that a word such as `--name`, `--name=x`, `-n` or `-it` names last. */
function flagOf(table: FlagTable, word: string): { name: string; row: FlagRow } | undefined {
  if (word.startsWith("--")) {
    const name = word.slice(2).split("=")[0] ?? "";
    const row = Object.hasOwn(table, name) ? table[name] : undefined;
    return row === undefined ? undefined : { name, row };
  }
  const letter = (word.slice(1).split("=")[0] ?? "").at(-1);
  const found = Object.entries(table).find(([, row]) => row.short === letter);
  return found === undefined ? undefined : { name: found[0], row: found[1] };
}

async function commandNames(group: string, typed: string): Promise<Completion> {
  const paths = group === "" ? pathsOf("") : pathsOf(group).map((path) => path.slice(group.length + 1));
  const names = group === "" ? [...new Set([...paths, ...Object.keys(groups)])].sort() : paths;
  const matching = names.filter((name) => name.startsWith(typed));
  const candidates = await Promise.all(
    matching.map(async (word): Promise<Candidate[]> => {
      if (group === "" && Object.hasOwn(groups, word))
        return [{ word, description: groups[word as keyof typeof groups] }];
      const command = await findCommand(group === "" ? word : `${group} ${word}`)?.();
      return command === undefined || command.hidden === true ? [] : [{ word, description: command.summary }];
    }),
  );
  return { candidates: candidates.flat(), directive: 4 };
}

interface Cursor {
  readonly before: readonly string[];
  readonly typed: string;
  readonly engine: () => EngineClient;
}

/** Where the cursor is within a command's words. */
interface Position {
  readonly args: number;
  readonly set: ReadonlySet<string>;
  /** The flag whose value is being typed. */
  readonly waiting: FlagRow | undefined;
  readonly flagsEnded: boolean;
}

function completeCommand(command: Command, { before, typed, engine }: Cursor): Completion | Promise<Completion> {
  const position = locate(command, before);
  if (position.waiting !== undefined) return values(position.waiting.complete, typed, engine);
  if (!position.flagsEnded && typed.startsWith("-")) {
    const equals = typed.indexOf("=");
    if (equals < 0) return flagNames(command.flags, typed, position.set);
    return values(flagOf(command.flags, typed)?.row.complete, typed.slice(equals + 1), engine);
  }
  // What follows the first argument of `run` and `exec` belongs to another program.
  if (command.stopAtFirstArgument === true && position.args > 0) return files;
  if (position.args >= command.arity.max) return nothing;
  return values(argumentCompleter(command, position.args), typed, engine);
}

function locate(command: Command, before: readonly string[]): Position {
  const set = new Set<string>();
  let args = 0;
  let waiting: FlagRow | undefined;
  let flagsEnded = false;
  for (const word of before) {
    if (waiting !== undefined) waiting = undefined;
    else if (flagsEnded || !word.startsWith("-") || word === "-") {
      args += 1;
      flagsEnded ||= command.stopAtFirstArgument === true;
    } else if (word === "--") flagsEnded = true;
    else {
      const flag = flagOf(command.flags, word);
      if (flag === undefined) continue;
      set.add(flag.name);
      if (flag.row.type !== "bool" && !word.includes("=")) waiting = flag.row;
    }
  }
  return { args, set, waiting, flagsEnded };
}

/** `network connect NETWORK CONTAINER`: the usage text says what a later argument is. */
function argumentCompleter(command: Command, index: number): Completer | undefined {
  const word = command.args.split(" ")[index] ?? "";
  if (index > 0 && /^\[?CONTAINER\b/.test(word)) return "container";
  return command.complete;
}

function flagNames(table: FlagTable, typed: string, set: ReadonlySet<string>): Completion {
  const rows = Object.entries(table).filter(([name, row]) => {
    const again = row.type === "list" || row.type === "stringArray" || !set.has(name);
    return again && row.hidden !== true && row.deprecated === undefined;
  });
  const candidates = rows
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, row]): Candidate[] => {
      const description = row.help.split("\n")[0] ?? "";
      const short = row.short === undefined || typed !== "-" ? [] : [{ word: `-${row.short}`, description }];
      return [{ word: `--${name}`, description }, ...short];
    });
  return { candidates: candidates.filter(({ word }) => word.startsWith(typed)), directive: 4 };
}

async function values(
  completer: Completer | undefined,
  typed: string,
  engine: () => EngineClient,
): Promise<Completion> {
  if (completer === undefined || completer === "file") return files;
  const names = typeof completer === "string" ? await namesFor(completer, engine()) : completer;
  return { candidates: names.filter((name) => name.startsWith(typed)).map((word) => ({ word })), directive: 4 };
}
