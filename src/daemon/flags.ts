import { EngineError } from "../base/errors.ts";
import { type ConfigName, configRows, configTable } from "./config-table.ts";

/** What was typed: the texts of each flag, in order. */
export type TypedFlags = ReadonlyMap<ConfigName, readonly string[]>;

const shorts = new Map(
  configRows.flatMap(([name, { short }]) => (short === undefined ? [] : [[short, name] as const])),
);

/** Reads a command line as pflag does (`--flag=x`, `--flag x`, `-lx`, `-D=false`, `-Dl debug`), with its messages. */
export function readFlags(argv: readonly string[]): { typed: TypedFlags; help: boolean } {
  const typed = new Map<ConfigName, string[]>();
  const queue = [...argv];
  let help = false;
  const add = (name: ConfigName, value: string): void => void typed.set(name, [...(typed.get(name) ?? []), value]);
  const next = (shown: string): string => {
    const value = queue.shift();
    if (value === undefined) throw invalid(`flag needs an argument: ${shown}`);
    return value;
  };
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (!word.startsWith("-") || word === "-" || word === "--")
      throw invalid(`"berth daemon" accepts no arguments, got ${JSON.stringify(word)}`);
    if (word.startsWith("--")) {
      const [, name = "", , value] = /^--([^=]*)(=(.*))?$/s.exec(word) ?? [];
      if (name === "help") help = true;
      else if (!isFlag(name)) throw invalid(`unknown flag: --${name}`);
      else add(name, value ?? (isSwitch(name) ? "true" : next(`--${name}`)));
      continue;
    }
    for (let rest = word.slice(1); rest !== "";) {
      const letter = rest[0] ?? "";
      rest = rest.slice(1);
      if (letter === "h") {
        help = true;
        continue;
      }
      const name = shorts.get(letter);
      if (name === undefined) throw invalid(`unknown shorthand flag: '${letter}' in ${word}`);
      if (rest.startsWith("=")) add(name, rest.slice(1));
      else if (isSwitch(name)) {
        add(name, "true");
        continue;
      } else add(name, rest === "" ? next(`'${letter}' in ${word}`) : rest);
      rest = "";
    }
  }
  return { typed, help };
}

function isFlag(name: string): name is ConfigName {
  const found = configRows.find(([known]) => known === name);
  return found !== undefined && found[1].fileOnly !== true;
}

const isSwitch = (name: ConfigName): boolean => configTable[name].kind.word === "";

function invalid(message: string): EngineError {
  return new EngineError("invalid", `${message}\nSee 'berth daemon --help'.`);
}
