import { EngineError } from "../../base/errors.ts";
import { parseReference } from "../../spec/reference.ts";
import { expandText, type GlobalArgs } from "../dockerfile/arguments.ts";
import { located, parseError } from "../dockerfile/dockerfile-error.ts";
import type { Dockerfile, Stage } from "../dockerfile/instructions.ts";
import type { Lint } from "../dockerfile/lint.ts";
import { normalPlatform } from "../dockerfile/platform-text.ts";
import { nearest } from "../dockerfile/suggest.ts";
import { alwaysThere } from "../dockerfile/lint-file.ts";

/** A stage whose FROM line is read: its variables expanded, its base stage found. */
export interface StageDraft {
  readonly stage: Stage;
  /** As progress shows it; empty when the file has one stage. */
  readonly shownName: string;
  readonly base: string;
  readonly baseStage: StageDraft | undefined;
  /** `--platform` in its normal form; empty without one. */
  readonly platform: string;
}

/** Reads the FROM lines. Throws `invalid` with the line. */
export function readStages(
  file: Dockerfile,
  shared: { args: GlobalArgs; defaults: GlobalArgs; lint: Lint },
): StageDraft[] {
  const { args, defaults, lint } = shared;
  const drafts: StageDraft[] = [];
  for (const stage of file.stages) {
    const { from } = stage;
    const expanded = located(file.fileName, from, () => expandText(from.base, (name) => args.values.get(name), file));
    reportUndeclared(expanded.unset, args, lint, stage);
    lintDefaults(file, stage, defaults, lint);
    if (expanded.text === "") throw parseError(file.fileName, from, `base name (${from.base}) should not be blank`);
    const base = expanded.text;
    drafts.push({
      stage,
      shownName: file.stages.length === 1 ? "" : from.name || `stage-${stage.index}`,
      base,
      baseStage: drafts.findLast(
        (draft) => draft.stage.from.name !== "" && draft.stage.from.name === base.toLowerCase(),
      ),
      platform: readPlatform(file, stage, args, lint),
    });
  }
  return drafts;
}

function readPlatform(file: Dockerfile, stage: Stage, args: GlobalArgs, lint: Lint): string {
  const { from } = stage;
  if (from.platform === "") return "";
  return located(file.fileName, from, () => {
    const expanded = expandText(from.platform, (name) => args.values.get(name), file);
    reportUndeclared(expanded.unset, args, lint, stage);
    if (expanded.text === "")
      throw parseError(file.fileName, from, `empty platform value from expression ${from.platform}`);
    const platform = normalPlatform(expanded.text);
    if (
      expanded.used.size === 1 &&
      expanded.unset.size === 0 &&
      expanded.used.has("TARGETPLATFORM") &&
      expanded.text === args.values.get("TARGETPLATFORM")
    )
      lint.report(
        "RedundantTargetPlatform",
        `Setting platform to predefined ${from.platform} in FROM is redundant as this is the default behavior`,
        from,
      );
    const [os = "", architecture = ""] = platform.split("/");
    if (
      expanded.used.size === 0 &&
      expanded.unset.size === 0 &&
      !from.name.includes(os) &&
      !from.name.includes(architecture)
    )
      lint.report(
        "FromPlatformFlagConstDisallowed",
        `FROM --platform flag should not use constant value ${JSON.stringify(expanded.text)}`,
        from,
      );
    return platform;
  });
}

function reportUndeclared(unset: Iterable<string>, args: GlobalArgs, lint: Lint, stage: Stage): void {
  for (const name of unset) {
    if (args.declared.has(name)) continue; // declared without a value
    const near = nearest(
      name,
      [...args.declared, ...args.values.keys()].filter((known) => !alwaysThere.has(known)),
    );
    lint.report(
      "UndefinedArgInFrom",
      `FROM argument '${name}' is not declared${near === "" ? "" : ` (did you mean ${near}?)`}`,
      stage.from,
    );
  }
}

/** Whether the base is a name even when no build argument is given. */
function lintDefaults(file: Dockerfile, stage: Stage, defaults: GlobalArgs, lint: Lint): void {
  const { from } = stage;
  if (!from.base.includes("$")) return;
  try {
    const { text } = expandText(from.base, (name) => defaults.values.get(name), file);
    if (text !== "") {
      parseReference(text);
      return;
    }
  } catch (error) {
    if (!(error instanceof EngineError)) return; // the build itself will say it
  }
  lint.report(
    "InvalidDefaultArgInFrom",
    `Default value for ARG ${from.base} results in empty or invalid base image name`,
    from,
  );
}
