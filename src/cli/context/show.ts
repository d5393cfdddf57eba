import { command } from "../command.ts";

export const contextShow = command({
  path: "context show",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Print the name of the current context",
  flags: {},
  async run({ stdout, contextName }) {
    stdout.write(`${contextName}\n`);
  },
});
