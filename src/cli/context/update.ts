import { command } from "../command.ts";
import { endpointFlag, readEndpoint } from "./endpoint-flag.ts";
import { checkContextName, ContextStore } from "./store.ts";

export const contextUpdate = command({
  path: "context update",
  args: "CONTEXT",
  arity: { min: 1, max: 1 },
  summary: "Update a context",
  flags: {
    description: { type: "string", help: "Description of the context" },
    docker: endpointFlag,
  },
  async run({ flags, args: [name = ""], stdout, stderr, env, configDir }) {
    checkContextName(name);
    const store = new ContextStore(configDir);
    const before = store.read(name);
    const changed = flags.docker.length === 0 ? undefined : readEndpoint(flags.docker, env, configDir);
    store.write(
      {
        ...before,
        Metadata: flags.description ? { ...before.Metadata, Description: flags.description } : before.Metadata,
        Endpoints: changed === undefined ? before.Endpoints : { ...before.Endpoints, docker: changed.endpoint },
      },
      changed?.tls,
    );
    stdout.write(`${name}\n`);
    stderr.write(`Successfully updated context "${name}"\n`);
  },
});
