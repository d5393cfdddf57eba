import type { Command } from "./command.ts";
import { builderAliases, builderCommands } from "./builder/commands.ts";
import { completionCommands } from "./completion/commands.ts";
import { containerAliases, containerCommands } from "./container/commands.ts";
import { contextAliases, contextCommands } from "./context/commands.ts";
import { imageAliases, imageCommands } from "./image/commands.ts";
import { loginCommands } from "./login/commands.ts";
import { manifestCommands } from "./manifest/commands.ts";
import { networkAliases, networkCommands } from "./network/commands.ts";
import { registryCommands } from "./registry/commands.ts";
import { systemAliases, systemCommands } from "./system/commands.ts";
import { volumeAliases, volumeCommands } from "./volume/commands.ts";

export type LoadCommand = () => Promise<Command>;

/** Every command by its path. A command's module is loaded when the command runs: `berth ps` pays for `ps` alone. */
export const commands: Readonly<Record<string, LoadCommand>> = {
  ...builderCommands,
  ...completionCommands,
  ...containerCommands,
  ...contextCommands,
  ...imageCommands,
  ...loginCommands,
  ...manifestCommands,
  ...networkCommands,
  ...registryCommands,
  ...systemCommands,
  ...volumeCommands,
};

/** Other paths, and the path they stand for. */
export const aliases: Readonly<Record<string, string>> = {
  ...builderAliases,
  ...containerAliases,
  ...contextAliases,
  ...imageAliases,
  ...networkAliases,
  ...systemAliases,
  ...volumeAliases,
};

/** Management commands, and what their help says. */
export const groups = {
  builder: "Manage builds and their cache",
  completion: "Print the completion script for a shell",
  container: "Manage containers",
  context: "Manage contexts",
  image: "Manage images",
  manifest: "Manage manifests and manifest lists of registries",
  network: "Manage networks",
  registry: "Serve images to others, and manage that",
  system: "Manage the engine",
  volume: "Manage volumes",
} as const;

export type GroupName = keyof typeof groups;

/** The command of a path as typed, `ps` or `container ls`. */
export function findCommand(path: string): LoadCommand | undefined {
  if (Object.hasOwn(commands, path)) return commands[path];
  const meant = Object.hasOwn(aliases, path) ? aliases[path] : undefined;
  return meant === undefined ? undefined : commands[meant];
}

/** Paths of a group (its commands, without their aliases), or of the top level (aliases too: most live there). */
export function pathsOf(group: string): string[] {
  if (group !== "")
    return Object.keys(commands)
      .filter((path) => path.startsWith(`${group} `))
      .sort();
  return [...Object.keys(commands), ...Object.keys(aliases)].filter((path) => !path.includes(" ")).sort();
}
