import { command } from "../command.ts";
import { readConfigFile } from "../config-file.ts";
import { ExitError } from "../exit-error.ts";
import { ContextStore } from "./store.ts";
import { setCurrentContext } from "./use.ts";

export const contextRm = command({
  path: "context rm",
  aliases: ["context remove"],
  args: "CONTEXT [CONTEXT...]",
  arity: { min: 1, max: Infinity },
  summary: "Remove one or more contexts",
  flags: { force: { type: "bool", short: "f", help: "Force the removal of a context in use" } },
  async run({ flags, args, stdout, configDir, contextName }) {
    const store = new ContextStore(configDir);
    const problems: string[] = [];
    for (const name of args) {
      const problem = whyNot(name);
      if (problem !== undefined) problems.push(problem);
      else {
        if (readConfigFile(configDir).currentContext === name) setCurrentContext(configDir, "default");
        store.remove(name);
        stdout.write(`${name}\n`);
      }
    }
    if (problems.length > 0) throw new ExitError(1, problems.join("\n"));

    function whyNot(name: string): string | undefined {
      if (name === "default") return 'context "default" cannot be removed';
      if (!flags.force && !store.has(name)) return `context "${name}" does not exist`;
      if (!flags.force && name === contextName) return `context "${name}" is in use, set -f flag to force remove`;
      return undefined;
    }
  },
});
