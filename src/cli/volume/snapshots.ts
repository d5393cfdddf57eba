import type { VolumeSnapshot } from "../../spec/engine/types.gen.ts";
import { command } from "../command.ts";
import { listFormat } from "../render/format-flag.ts";
import { type ColumnTable, renderList } from "../render/table.ts";
import { goTime, humanSize } from "../render/units.ts";
import { labelText } from "../values/label.ts";

export const volumeSnapshots = command({
  path: "volume snapshots",
  args: "VOLUME",
  arity: { min: 1, max: 1 },
  summary: "List the snapshots of a volume",
  complete: "volume",
  flags: {
    format: listFormat,
    quiet: { type: "bool", short: "q", help: "Only display names" },
  },
  async run({ flags, args: [name = ""], engine, stdout }) {
    renderList(await engine.call("VolumeSnapshotList", { name }), {
      format: flags.format,
      quiet: flags.quiet,
      quietFormat: "{{.Name}}",
      columns,
      defaultFormat: "table {{.Name}}\t{{.CreatedAt}}\t{{.Size}}",
      rawFormat: "name: {{.Name}}\n",
      typeName: "*formatter.snapshotContext",
      label: ({ Labels }, key) => Labels[key] ?? "",
      stdout,
    });
  },
});

const columns: ColumnTable<VolumeSnapshot> = {
  Name: { header: "SNAPSHOT", value: ({ Name }) => Name },
  CreatedAt: { header: "CREATED AT", value: ({ CreatedAt }) => goTime(CreatedAt) },
  Size: { header: "SIZE", value: ({ SizeBytes }) => humanSize(SizeBytes) },
  Labels: { header: "LABELS", value: ({ Labels }) => labelText(Labels) },
};
