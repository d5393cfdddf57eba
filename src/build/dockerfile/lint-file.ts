import type { Dockerfile, Instruction } from "./instructions.ts";
import type { Lint } from "./lint.ts";
import { nearest } from "./suggest.ts";

/** The checks that need nothing but the file as it is written. */
export function lintFile(file: Dockerfile, lint: Lint): void {
  for (const place of file.emptyContinuations) lint.report("NoEmptyContinuation", "Empty continuation line", place);
  stageNames(file, lint);
  casing(file, lint);
  for (const stage of file.stages) {
    usedOnce(stage.instructions, lint);
    for (const instruction of stage.instructions) lintInstruction(instruction, lint);
  }
  for (const instruction of file.globalArgs) lintInstruction(instruction, lint);
  descriptions(file, lint);
}

function stageNames(file: Dockerfile, lint: Lint): void {
  const seen = new Set<string>();
  for (const { from } of file.stages) {
    if (from.writtenName === "") continue;
    if (from.writtenName !== from.name)
      lint.report("StageNameCasing", `Stage name '${from.writtenName}' should be lowercase`, from);
    const fromCase = selfConsistent(from.word) ? from.word === from.word.toLowerCase() : undefined;
    const asCase = selfConsistent(from.asWord) ? from.asWord === from.asWord.toLowerCase() : undefined;
    if (fromCase !== asCase)
      lint.report("FromAsCasing", `'${from.asWord}' and '${from.word}' keywords' casing do not match`, from);
    if (from.name === "scratch" || from.name === "context")
      lint.report(
        "ReservedStageName",
        `Stage name should not use the same name as reserved stage ${JSON.stringify(from.name)}`,
        from,
      );
    if (seen.has(from.name))
      lint.report(
        "DuplicateStageName",
        `Duplicate stage name ${JSON.stringify(from.name)}, stage names should be unique`,
        from,
      );
    seen.add(from.name);
  }
}

const selfConsistent = (word: string): boolean => word === word.toLowerCase() || word === word.toUpperCase();

function casing(file: Dockerfile, lint: Lint): void {
  const all = file.stages.flatMap((stage) => [stage.from, ...stage.instructions]);
  const consistent = all.filter(({ word }) => selfConsistent(word));
  const lower = consistent.filter(({ word }) => word === word.toLowerCase()).length;
  const lowerWins = lower > consistent.length - lower;
  for (const instruction of all) {
    const wanted = lowerWins ? instruction.word.toLowerCase() : instruction.word.toUpperCase();
    if (instruction.word === wanted) continue;
    lint.report(
      "ConsistentInstructionCasing",
      `Command '${instruction.word}' should match the case of the command majority (${lowerWins ? "lowercase" : "uppercase"})`,
      instruction,
    );
  }
}

/** The last CMD, ENTRYPOINT and HEALTHCHECK of a stage win; the ones before are told. */
function usedOnce(instructions: readonly Instruction[], lint: Lint): void {
  const last = new Map<string, Instruction>();
  for (const instruction of instructions) {
    if (instruction.kind !== "cmd" && instruction.kind !== "entrypoint" && instruction.kind !== "healthcheck") continue;
    const before = last.get(instruction.kind);
    if (before)
      lint.report(
        "MultipleInstructionsDisallowed",
        `Multiple ${instruction.kind.toUpperCase()} instructions should not be used in the same stage because only the last one will be used`,
        before,
      );
    last.set(instruction.kind, instruction);
  }
}

const secretWord = /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i;
const harmlessWord = /(?:_|^)(?:public|file|version)(?:_|$)/i;

function lintInstruction(instruction: Instruction, lint: Lint): void {
  const name = instruction.kind.toUpperCase();
  const noSecret = (key: string): void => {
    if (secretWord.test(key) && !harmlessWord.test(key))
      lint.report(
        "SecretsUsedInArgOrEnv",
        `Do not use ARG or ENV instructions for sensitive data (${name} ${JSON.stringify(key)})`,
        instruction,
      );
  };
  switch (instruction.kind) {
    case "maintainer":
      return lint.report(
        "MaintainerDeprecated",
        "Maintainer instruction is deprecated in favor of using label",
        instruction,
      );
    case "env":
    case "label":
      for (const { key, legacy } of instruction.pairs) {
        if (instruction.kind === "env") noSecret(key);
        if (legacy)
          lint.report(
            "LegacyKeyValueFormat",
            `"${name} key=value" should be used instead of legacy "${name} key value" format`,
            instruction,
          );
      }
      return;
    case "arg":
      for (const { key } of instruction.args) noSecret(key);
      return;
    default:
  }
}

/** Comments right above a stage or an ARG describe it: then they begin with its name. */
function descriptions(file: Dockerfile, lint: Lint): void {
  const described = [
    ...file.stages
      .filter(({ from }) => from.name !== "")
      .map(({ from }) => ({ at: from, what: "FROM", names: [from.name] })),
    ...[...file.globalArgs, ...file.stages.flatMap((stage) => stage.instructions)].flatMap((instruction) =>
      instruction.kind === "arg"
        ? [{ at: instruction, what: "ARG", names: instruction.args.map(({ key }) => key) }]
        : [],
    ),
  ];
  for (const { at, what, names } of described) {
    const comment = at.comments.at(-1);
    if (comment === undefined || /^check\s*=/i.test(comment)) continue;
    const [first = ""] = names;
    if (names.some((name) => comment.startsWith(`${name} `))) continue;
    lint.report(
      "InvalidDefinitionDescription",
      `Comment for ${what} should follow the format: \`# ${first} <description>\``,
      at,
    );
  }
}

/** Variables that an instruction used and nobody has set. */
export function lintUnset(unset: Iterable<string>, known: Iterable<string>, lint: Lint, at: Instruction): void {
  const names = [...known];
  for (const name of unset) {
    if (alwaysThere.has(name) || /^[0-9@*#?$!-]$/.test(name)) continue;
    const near = nearest(name, names);
    lint.report(
      "UndefinedVar",
      `Usage of undefined variable '$${name}'${near === "" ? "" : ` (did you mean $${near}?)`}`,
      at,
    );
  }
}

/** Build arguments that exist without ARG and never become variables of the container. */
export const alwaysThere: ReadonlySet<string> = new Set(
  ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
);
