import { findCommand, groups, pathsOf, type GroupName } from "./commands.ts";
import { flagUsages } from "./flag-usage.ts";
import { globalFlags } from "./global-flags.ts";
import { usageLines, type Invocation } from "./invocation.ts";

/** Help of one command, docker's layout. */
export function commandHelp(invocation: Invocation, columns: number | undefined): string {
  const { command, program } = invocation;
  const names = [command.path, ...(command.aliases ?? [])];
  const aliases = names.length < 2 ? "" : `\n\nAliases:\n  ${names.map((name) => `${program} ${name}`).join(", ")}`;
  const usages = flagUsages(command.flags, wrapWidth(columns));
  const options = usages === "" ? "" : `\n\nOptions:\n${usages.replace(/\n$/, "")}`;
  return `Usage:  ${usageLines(invocation)}\n\n${command.summary}${aliases}${options}\n`;
}

/** Help of a management command: its commands. */
export async function groupHelp(program: string, group: string): Promise<string> {
  const rows = await summaries(pathsOf(group).map((path) => [path.slice(group.length + 1), path]));
  const what = Object.hasOwn(groups, group) ? groups[group as GroupName] : "";
  return `Usage:  ${program} ${group} COMMAND\n\n${what}\n\nCommands:\n${rows}\nRun '${program} ${group} COMMAND --help' for more information on a command.\n`;
}

const common = ["run", "exec", "ps", "build", "pull", "push", "images", "login", "logout", "search", "version", "info"];

/** Help of the program itself. */
export async function rootHelp(program: string, columns: number | undefined): Promise<string> {
  const all = new Set(pathsOf(""));
  const first = common.filter((name) => all.has(name));
  const others = [...all].filter((name) => !first.includes(name)).sort();
  const management = Object.entries(groups)
    .map(([name, what]) => `  ${name.padEnd(12)}${what}\n`)
    .join("");
  return `Usage:  ${program} [OPTIONS] COMMAND

A container engine: Docker's API and command line

Common Commands:
${await summaries(first.map((name) => [name, name]))}
Management Commands:
${management}
Commands:
${await summaries(others.map((name) => [name, name]))}
Global Options:
${flagUsages(globalFlags, wrapWidth(columns))}
Run '${program} COMMAND --help' for more information on a command.
`;
}

async function summaries(rows: readonly (readonly [name: string, path: string])[]): Promise<string> {
  const width = Math.max(11, ...rows.map(([name]) => name.length)) + 1;
  const lines = rows.map(async ([name, path]) => {
    const command = await findCommand(path)?.();
    return command === undefined || command.hidden === true ? "" : `  ${name.padEnd(width)}${command.summary}\n`;
  });
  return (await Promise.all(lines)).join("");
}

/** docker wraps at the terminal's width, 80 where there is none, less one. */
const wrapWidth = (columns: number | undefined): number => (columns || 80) - 1;
