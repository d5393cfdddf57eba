import { type Command, command } from "../command.ts";
import { completionScript, type Shell } from "./scripts.ts";

const forShell = (shell: Shell): Command =>
  command({
    path: `completion ${shell}`,
    args: "",
    arity: { min: 0, max: 0 },
    summary: `Print the completion script for ${shell}`,
    flags: {},
    async run({ stdout, program }) {
      stdout.write(completionScript(shell, program));
    },
  });

export const completionBash = forShell("bash");
export const completionFish = forShell("fish");
export const completionZsh = forShell("zsh");
