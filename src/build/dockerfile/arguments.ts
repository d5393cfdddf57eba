import { parseCheckOptions } from "./lint.ts";
import { located } from "./dockerfile-error.ts";
import type { Dockerfile } from "./instructions.ts";
import { hostPlatform, platformArgs } from "./platform-text.ts";
import { type Expanded, expand, type Lookup } from "./variables.ts";

/** Values that FROM lines see, and that a bare `ARG X` takes into a stage. */
export interface GlobalArgs {
  readonly values: ReadonlyMap<string, string>;
  /** Names declared by ARG before the first FROM. */
  readonly declared: ReadonlySet<string>;
}

export interface ArgumentSources {
  readonly buildArgs: ReadonlyMap<string, string>;
  /** `linux/amd64` */
  readonly targetPlatform: string;
  readonly targetStage: string;
}

/** Evaluates the ARG lines before the first FROM. With `defaultsOnly` as if no build argument were given. */
export function globalArgs(file: Dockerfile, sources: ArgumentSources, defaultsOnly = false): GlobalArgs {
  const values = new Map<string, string>([
    ...platformArgs("BUILD", hostPlatform),
    ...platformArgs("TARGET", sources.targetPlatform),
    ["TARGETSTAGE", sources.targetStage || "default"],
  ]);
  const declared = new Set<string>();
  // --build-arg may overrule the predefined ones, too
  if (!defaultsOnly)
    for (const name of values.keys()) {
      const given = sources.buildArgs.get(name);
      if (given !== undefined) values.set(name, given);
    }
  for (const instruction of file.globalArgs) {
    for (const { key, value } of instruction.args) {
      declared.add(key);
      const given = defaultsOnly ? undefined : sources.buildArgs.get(key);
      const chosen =
        given ??
        (value === undefined
          ? undefined
          : located(file.fileName, instruction, () => expand(value, (name) => values.get(name), file).text));
      if (chosen !== undefined) values.set(key, chosen);
    }
  }
  return { values, declared };
}

/** The `check` options: the build argument wins over the directive. */
export const checkOptions = (
  file: Dockerfile,
  buildArgs: ReadonlyMap<string, string>,
): ReturnType<typeof parseCheckOptions> => parseCheckOptions(buildArgs.get("BUILDKIT_DOCKERFILE_CHECK") ?? file.check);

/** Expands text; what it throws names no line yet. */
export const expandText = (text: string, lookup: Lookup, file: { readonly escape: string }): Expanded =>
  expand(text, lookup, { escape: file.escape });
