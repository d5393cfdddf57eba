import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { fetchMember, fullReference } from "./fetch.ts";
import { insecureFlag } from "./insecure-flag.ts";
import { ManifestLists, type StoredManifest } from "./store.ts";

export const manifestCreate = command({
  path: "manifest create",
  args: "MANIFEST_LIST MANIFEST [MANIFEST...]",
  arity: { min: 2, max: Infinity },
  summary: "Create a local manifest list for annotating and pushing to a registry",
  flags: { amend: { type: "bool", short: "a", help: "Amend an existing manifest list" }, insecure: insecureFlag },
  async run({ flags, args: [name = "", ...members], engine, stdout, configDir }) {
    const list = fullReference(name);
    const lists = new ManifestLists(configDir);
    if (lists.has(list) && !flags.amend)
      throw new ExitError(1, "refusing to amend an existing manifest list with no --amend flag");
    // all are asked for before one is written
    const found: StoredManifest[] = [];
    for (const member of members) found.push(await fetchMember(engine, fullReference(member), configDir));
    for (const manifest of found) lists.write(list, manifest);
    stdout.write(`Created manifest list ${list}\n`);
  },
});
