import { command } from "../command.ts";
import { filterFlag, listFormat } from "../render/format-flag.ts";
import { type ColumnTable, renderList } from "../render/table.ts";
import { humanSize, timeAgo } from "../render/units.ts";
import { type BuildCacheRecord, readDiskUsage } from "../system/disk-usage.ts";
import { checkFilter } from "../values/filter.ts";

const columns: ColumnTable<BuildCacheRecord> = {
  ID: { header: "ID", value: ({ ID }) => ID },
  Type: { header: "TYPE", value: ({ Type }) => Type },
  Reclaimable: { header: "RECLAIMABLE", value: ({ InUse }) => String(!InUse) },
  Shared: { header: "SHARED", value: ({ Shared }) => String(Shared) },
  Size: { header: "SIZE", value: ({ Size }) => humanSize(Size, 3) },
  LastAccessed: {
    header: "LAST ACCESSED",
    value: ({ LastUsedAt }) => (LastUsedAt ? timeAgo(Date.parse(LastUsedAt)) : ""),
  },
  CreatedAt: { header: "CREATED AT", value: ({ CreatedAt }) => CreatedAt },
  Description: { header: "DESCRIPTION", value: ({ Description = "" }) => Description },
};

export const builderDu = command({
  path: "builder du",
  aliases: ["buildx du"],
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Show the build cache",
  flags: {
    filter: { ...filterFlag, check: checkFilter },
    format: listFormat,
    verbose: { type: "bool", help: "Show what each record is of" },
  },
  async run({ flags, engine, stdout }) {
    const { BuildCache } = await readDiskUsage(engine);
    const wanted = flags.filter.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]);
    const rows = BuildCache.filter((record) =>
      wanted.every(([name, value = ""]) =>
        name === "type" ? record.Type === value : name === "id" ? record.ID.startsWith(value) : true,
      ),
    );
    renderList(rows, {
      format: flags.format,
      columns,
      defaultFormat: `table {{.ID}}\t{{.Reclaimable}}\t{{.Size}}\t{{.LastAccessed}}${flags.verbose ? "\t{{.Type}}\t{{.Description}}" : ""}`,
      stdout,
    });
    if (flags.format !== undefined) return;
    const total = rows.reduce((sum, { Size }) => sum + Size, 0);
    const free = rows.reduce((sum, { Size, InUse, Shared }) => sum + (InUse || Shared ? 0 : Size), 0);
    stdout.write(`Reclaimable:\t${humanSize(free)}\nTotal:\t\t${humanSize(total)}\n`);
  },
});
