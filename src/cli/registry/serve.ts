import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";

/** Known here for help and completion; `main.ts` runs it as a role of its own, `src/registry/config.ts` reads its flags. */
export const registryServe = command({
  path: "registry serve",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Serve images to docker, podman and the like: a registry (OCI distribution 1.1)",
  flags: {
    listen: { type: "string", valueName: "host:port", help: 'Where to listen (default "127.0.0.1:5000")' },
    root: { type: "string", help: 'Folder of everything (default "/var/lib/berth/registry")' },
    anonymous: { type: "string", valueName: "actions", help: "What callers without a name may do: pull,push,delete" },
    config: { type: "string", valueName: "file", complete: "file", help: "Settings file (YAML)" },
  },
  async run() {
    throw new ExitError(1, "registry serve must be the first words of the command line");
  },
});
