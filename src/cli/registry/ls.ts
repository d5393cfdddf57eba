import { command } from "../command.ts";
import { bytesSize } from "../render/units.ts";
import { administer, registryFlags } from "./admin-client.ts";
import { rows } from "./rows.ts";

interface Repository {
  readonly name: string;
  readonly tags: number;
  readonly manifests: number;
  readonly bytes: number;
}

export const registryLs = command({
  path: "registry ls",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "List repositories of a registry with their sizes",
  flags: registryFlags,
  async run(context) {
    const found: Repository[] = [];
    for (;;) {
      const last = new URLSearchParams({ last: found.at(-1)?.name ?? "" });
      const page = await administer<Repository[]>(context, `GET repositories?${last}`);
      if (page.length === 0) break;
      found.push(...page);
    }
    const lines = found.map(({ name, tags, manifests, bytes }) => [
      name,
      String(tags),
      String(manifests),
      bytesSize(bytes),
    ]);
    context.stdout.write(rows(["REPOSITORY", "TAGS", "MANIFESTS", "SIZE"], lines));
  },
});
