import { expandText } from "../dockerfile/arguments.ts";
import type { Instruction } from "../dockerfile/instructions.ts";
import { lintUnset } from "../dockerfile/lint-file.ts";
import type { StageState } from "./stage-state.ts";

/** Expands a text as the instruction sees it; what is not set is a finding of the checks. */
export function expandIn(state: StageState, text: string, instruction: Instruction): string {
  const expanded = expandText(text, state.lookup, state.context.file);
  reportUnset(state, expanded.unset, instruction);
  return expanded.text;
}

export function reportUnset(state: StageState, unset: Iterable<string>, instruction: Instruction): void {
  const names = [...unset].filter((name) => !state.buildArgs.has(name)); // declared without a value is declared
  if (names.length > 0) lintUnset(names, state.names(), state.context.lint, instruction);
}
