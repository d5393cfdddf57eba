import { command } from "../command.ts";
import { humanSize } from "../render/units.ts";
import { checkFilter, parseFilters } from "../values/filter.ts";

export const prune = command({
  path: "container prune",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Remove all stopped containers",
  flags: {
    filter: { type: "list", valueName: "filter", check: checkFilter, help: 'Which ones ("until=<timestamp>", "label=<key>")' },
    force: { type: "bool", short: "f", help: "Do not ask" },
  },
  async run({ flags, engine, stdin, stdout }) {
    if (!flags.force && !(await confirm(stdin, stdout, "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] "))) return 1;
    const filters = parseFilters(flags.filter);
    const { ContainersDeleted, SpaceReclaimed } = await engine.call("ContainerPrune", filters === undefined ? {} : { filters });
    const deleted = ContainersDeleted ?? [];
    if (deleted.length > 0) stdout.write(`Deleted Containers:\n${deleted.join("\n")}\n\n`);
    stdout.write(`Total reclaimed space: ${humanSize(SpaceReclaimed ?? 0)}\n`);
    return 0;
  },
});

async function confirm(stdin: NodeJS.ReadStream, stdout: NodeJS.WriteStream, question: string): Promise<boolean> {
  stdout.write(question);
  let answer = "";
  for await (const chunk of stdin) {
    answer += String(chunk);
    if (answer.includes("\n")) break;
  }
  return /^y/i.test(answer.trim());
}
