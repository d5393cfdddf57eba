import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { defaultDescription, findContext } from "./default-context.ts";
import { endpointFlag, readEndpoint } from "./endpoint-flag.ts";
import { checkContextName, ContextStore } from "./store.ts";

export const contextCreate = command({
  path: "context create",
  args: "CONTEXT",
  arity: { min: 1, max: 1 },
  summary: "Create a context",
  flags: {
    description: { type: "string", help: "Description of the context" },
    docker: endpointFlag,
    from: { type: "string", help: "create context from a named context" },
  },
  async run({ flags, args: [name = ""], stdout, stderr, env, configDir, contextName }) {
    const store = new ContextStore(configDir);
    checkContextName(name);
    if (store.has(name)) throw new ExitError(1, `context "${name}" already exists`);
    if (flags.docker.length > 0) {
      if (flags.from !== undefined) throw new ExitError(1, "cannot use --docker flag when --from is set");
      const { endpoint, tls } = readEndpoint(flags.docker, env, configDir);
      const Metadata = flags.description ? { Description: flags.description } : {};
      store.write({ Name: name, Metadata, Endpoints: { docker: endpoint } }, tls);
    } else {
      const source = flags.from ?? contextName;
      const { context, tls } = findContext(source, env, configDir);
      const description = flags.description ?? (source === "default" ? defaultDescription : undefined);
      const Metadata = description === undefined ? context.Metadata : { ...context.Metadata, Description: description };
      store.write({ ...context, Name: name, Metadata }, tls);
    }
    stdout.write(`${name}\n`);
    stderr.write(`Successfully created context "${name}"\n`);
  },
});
