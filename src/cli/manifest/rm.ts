import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { fullReference } from "./fetch.ts";
import { ManifestLists } from "./store.ts";

export const manifestRm = command({
  path: "manifest rm",
  args: "MANIFEST_LIST [MANIFEST_LIST...]",
  arity: { min: 1, max: Infinity },
  summary: "Delete one or more manifest lists from local storage",
  flags: {},
  async run({ args, configDir }) {
    const lists = new ManifestLists(configDir);
    const missing: string[] = [];
    for (const name of args) {
      const list = fullReference(name);
      if (lists.has(list)) lists.remove(list);
      else missing.push(`No such manifest: ${list}`);
    }
    if (missing.length > 0) throw new ExitError(1, missing.join("\n"));
  },
});
