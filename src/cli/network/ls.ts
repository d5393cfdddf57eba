import type { NetworkInspect } from "../../spec/engine/types.gen.ts";
import { command } from "../command.ts";
import { readConfigFile } from "../config-file.ts";
import { filterFlag, listFormat } from "../render/format-flag.ts";
import { type ColumnTable, renderList } from "../render/table.ts";
import { goTime, shortId } from "../render/units.ts";
import { checkFilter, parseFilters } from "../values/filter.ts";
import { labelText } from "../values/label.ts";

export const networkLs = command({
  path: "network ls",
  aliases: ["network list"],
  args: "",
  arity: { min: 0, max: 0 },
  summary: "List networks",
  flags: {
    filter: { ...filterFlag, check: checkFilter },
    format: listFormat,
    "no-trunc": { type: "bool", help: "Do not truncate the output" },
    quiet: { type: "bool", short: "q", help: "Only display network IDs" },
  },
  async run({ flags, engine, stdout, configDir }) {
    const networks = await engine.call("NetworkList", { filters: parseFilters(flags.filter) });
    const collator = new Intl.Collator("en", { numeric: true });
    renderList(
      [...networks].sort((a, b) => collator.compare(a.Name ?? "", b.Name ?? "")),
      {
        format: flags.format ?? (flags.quiet ? undefined : readConfigFile(configDir).networksFormat),
        quiet: flags.quiet,
        columns: columns(!flags["no-trunc"]),
        defaultFormat: "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
        rawFormat: flags.quiet
          ? "network_id: {{.ID}}"
          : "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n",
        typeName: "*network.networkContext",
        label: ({ Labels }, name) => Labels?.[name] ?? "",
        stdout,
      },
    );
  },
});

type Row = Pick<
  NetworkInspect,
  "Id" | "Name" | "Driver" | "Scope" | "EnableIPv4" | "EnableIPv6" | "Internal" | "Labels" | "Created"
>;

const columns = (truncate: boolean): ColumnTable<Row> => ({
  ID: { header: "NETWORK ID", value: ({ Id }) => (truncate ? shortId(Id ?? "") : (Id ?? "")) },
  Name: { header: "NAME", value: ({ Name }) => Name ?? "" },
  Driver: { header: "DRIVER", value: ({ Driver }) => Driver ?? "" },
  Scope: { header: "SCOPE", value: ({ Scope }) => Scope ?? "" },
  IPv4: { header: "IPV4", value: ({ EnableIPv4 }) => String(EnableIPv4 ?? false) },
  IPv6: { header: "IPV6", value: ({ EnableIPv6 }) => String(EnableIPv6 ?? false) },
  Internal: { header: "INTERNAL", value: ({ Internal }) => String(Internal ?? false) },
  Labels: { header: "LABELS", value: ({ Labels }) => labelText(Labels) },
  CreatedAt: { header: "CREATED AT", value: ({ Created }) => goTime(Created ?? "") },
});
