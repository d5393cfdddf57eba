import { command } from "../command.ts";
import { changeConfigFile } from "../config-file.ts";
import { ContextStore } from "./store.ts";

export const contextUse = command({
  path: "context use",
  args: "CONTEXT",
  arity: { min: 1, max: 1 },
  summary: "Set the current docker context",
  flags: {},
  async run({ args: [name = ""], stdout, stderr, env, configDir }) {
    if (name !== "default") new ContextStore(configDir).read(name);
    setCurrentContext(configDir, name);
    stdout.write(`${name}\n`);
    const variable = env["BERTH_HOST"] ? "BERTH_HOST" : env["DOCKER_HOST"] ? "DOCKER_HOST" : undefined;
    if (name !== "default" && variable !== undefined)
      stderr.write(
        `Warning: ${variable} environment variable overrides the active context. To use "${name}", either set the global --context flag, or unset ${variable} environment variable.\n`,
      );
    stderr.write(`Current context is now "${name}"\n`);
  },
});

/** Makes a context the current one of config.json; `default` is written as none. */
export function setCurrentContext(configDir: string, name: string): void {
  changeConfigFile(configDir, (config) => {
    if (name === "default") delete config["currentContext"];
    else config["currentContext"] = name;
  });
}
