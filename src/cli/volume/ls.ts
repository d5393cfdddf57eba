import type { Volume } from "../../spec/engine/types.gen.ts";
import { command } from "../command.ts";
import { readConfigFile } from "../config-file.ts";
import { filterFlag, listFormat } from "../render/format-flag.ts";
import { renderList } from "../render/table.ts";
import { checkFilter, parseFilters } from "../values/filter.ts";
import { sizeColumns, volumeColumns } from "./volume-columns.ts";

export const volumeLs = command({
  path: "volume ls",
  aliases: ["volume list"],
  args: "",
  arity: { min: 0, max: 0 },
  summary: "List volumes",
  flags: {
    cluster: { type: "bool", help: "Display only cluster volumes, and use cluster volume list formatting" },
    filter: { ...filterFlag, check: checkFilter },
    format: listFormat,
    quiet: { type: "bool", short: "q", help: "Only display volume names" },
    size: { type: "bool", short: "s", help: "Display sizes, limits and users" },
  },
  async run({ flags, engine, stdout, configDir }) {
    const { Volumes, Warnings } = await engine.call("VolumeList", { filters: parseFilters(flags.filter) });
    const volumes = (Volumes ?? []).filter((volume) => !flags.cluster || isCluster(volume));
    const sizes = new Map(
      flags.size ? (await engine.call("VolumeSizes", {})).map((size) => [size.Name, size] as const) : [],
    );
    const collator = new Intl.Collator("en", { numeric: true });
    renderList(
      volumes.sort((a, b) => collator.compare(a.Name, b.Name)),
      {
        format: flags.format ?? (flags.quiet ? undefined : readConfigFile(configDir).volumesFormat),
        quiet: flags.quiet,
        quietFormat: "{{.Name}}",
        columns: flags.size ? { ...volumeColumns, ...sizeColumns(sizes) } : volumeColumns,
        defaultFormat: flags.size
          ? "table {{.Driver}}\t{{.Name}}\t{{.Size}}\t{{.Limit}}\t{{.Snapshots}}\t{{.Links}}"
          : flags.cluster
            ? "table {{.Name}}\t{{.Group}}\t{{.Driver}}\t{{.Availability}}\t{{.Status}}"
            : "table {{.Driver}}\t{{.Name}}",
        rawFormat: flags.quiet ? "name: {{.Name}}" : "name: {{.Name}}\ndriver: {{.Driver}}\n",
        typeName: "*formatter.volumeContext",
        label: ({ Labels }, name) => Labels?.[name] ?? "",
        stdout,
      },
    );
    for (const warning of Warnings ?? []) stdout.write(`${warning}\n`);
  },
});

const isCluster = ({ ClusterVolume }: Volume): boolean => ClusterVolume !== undefined && ClusterVolume !== null;
