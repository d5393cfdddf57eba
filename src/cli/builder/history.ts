import type { BuildRecord } from "../../spec/engine/types.gen.ts";
import { command } from "../command.ts";
import { listFormat } from "../render/format-flag.ts";
import { eachArgument } from "../render/each-argument.ts";
import { type ColumnTable, renderList } from "../render/table.ts";
import { timeAgo } from "../render/units.ts";

const columns: ColumnTable<BuildRecord> = {
  ID: { header: "BUILD ID", value: ({ Id }) => Id },
  Name: { header: "NAME", value: ({ Name }) => Name },
  Status: { header: "STATUS", value: ({ Status }) => Status[0]?.toUpperCase() + Status.slice(1) },
  Steps: { header: "STEPS", value: ({ CompletedSteps = 0, Steps }) => `${CompletedSteps}/${Steps}` },
  Cached: { header: "CACHED", value: ({ CachedSteps }) => String(CachedSteps) },
  Warnings: { header: "WARNINGS", value: ({ Warnings }) => String(Warnings) },
  Created: { header: "CREATED AT", value: ({ Started }) => timeAgo(Date.parse(Started)) },
  Duration: { header: "DURATION", value: (record) => duration(record) },
  Image: { header: "IMAGE", value: ({ ImageId = "" }) => ImageId },
  Target: { header: "TARGET", value: ({ Target = "" }) => Target },
  Error: { header: "ERROR", value: ({ Error: text = "" }) => text },
};

function duration({ Started, Completed }: BuildRecord): string {
  const end = Completed ? Date.parse(Completed) : Date.now();
  return `${((end - Date.parse(Started)) / 1000).toFixed(1)}s`;
}

export const builderHistory = command({
  path: "builder history",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Show builds that run and that ended",
  flags: { format: listFormat, quiet: { type: "bool", short: "q", help: "Only display IDs" } },
  async run({ flags, engine, stdout }) {
    renderList(await engine.call("BuildHistoryList", {}), {
      format: flags.format,
      quiet: flags.quiet,
      columns,
      defaultFormat: "table {{.ID}}\t{{.Name}}\t{{.Status}}\t{{.Steps}}\t{{.Cached}}\t{{.Created}}\t{{.Duration}}",
      stdout,
    });
  },
});

export const builderRemove = command({
  path: "builder rm",
  args: "BUILD [BUILD...]",
  arity: { min: 1, max: Number.POSITIVE_INFINITY },
  summary: "End running builds, or forget builds that ended",
  flags: {},
  run: ({ args, engine, stdout }) =>
    eachArgument(engine, args, async (id) => {
      await engine.call("BuildHistoryRemove", { id });
      stdout.write(`${id}\n`);
    }),
});
