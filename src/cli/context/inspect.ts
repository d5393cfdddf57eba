import { command } from "../command.ts";
import { failureText } from "../failure.ts";
import { objectFormat } from "../render/format-flag.ts";
import { inspectPrinter } from "../render/inspect.ts";
import { findContext } from "./default-context.ts";
import { ContextStore } from "./store.ts";

export const contextInspect = command({
  path: "context inspect",
  args: "[CONTEXT] [CONTEXT...]",
  arity: { min: 0, max: Infinity },
  summary: "Display detailed information on one or more contexts",
  flags: { format: objectFormat },
  async run({ flags, args, stdout, env, configDir, contextName }) {
    const store = new ContextStore(configDir);
    const printer = inspectPrinter(flags.format, stdout);
    const problems: string[] = [];
    for (const name of args.length > 0 ? args : [contextName]) {
      try {
        const { context, tls } = findContext(name, env, configDir);
        const files = Object.keys(tls);
        const memory = "<IN MEMORY>";
        const problem = printer.add({
          Name: context.Name,
          Metadata: context.Metadata,
          Endpoints: context.Endpoints,
          TLSMaterial: files.length === 0 ? {} : { docker: files },
          Storage: {
            MetadataPath: name === "default" ? memory : store.metadataPath(name),
            TLSPath: name === "default" ? memory : store.tlsPath(name),
          },
        });
        if (problem !== undefined) problems.push(problem);
      } catch (error) {
        problems.push(failureText(error, ""));
      }
    }
    printer.finish(problems);
  },
});
