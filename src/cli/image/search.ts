import type { OperationTypes } from "../../spec/engine/operations.gen.ts";
import { command } from "../command.ts";
import { filterFlag } from "../render/format-flag.ts";
import { type ColumnTable, renderList } from "../render/table.ts";
import { ellipsis } from "../render/units.ts";
import { checkFilter, parseFilters } from "../values/filter.ts";
import { registryAuthHeaders } from "./registry-auth.ts";

type Result = OperationTypes["ImageSearch"]["reply"][number];

export const search = command({
  path: "search",
  args: "TERM",
  arity: { min: 1, max: 1 },
  summary: "Search a registry for images",
  flags: {
    filter: { ...filterFlag, check: checkFilter },
    format: { type: "string", help: "Pretty-print search using a Go template" },
    limit: { type: "int", help: "Max number of search results" },
    "no-trunc": { type: "bool", help: "Don't truncate output" },
  },
  async run({ flags, args: [term = ""], engine, stdout, configDir }) {
    const results = await engine.call(
      "ImageSearch",
      { term, filters: parseFilters(flags.filter), ...(flags.limit === undefined ? {} : { limit: flags.limit }) },
      undefined,
      { headers: await registryAuthHeaders(term, configDir) },
    );
    renderList(
      [...results].sort((a, b) => (b.star_count ?? 0) - (a.star_count ?? 0)),
      {
        format: flags.format,
        columns: columns(!flags["no-trunc"]),
        defaultFormat: "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
        typeName: "*registry.searchContext",
        stdout,
      },
    );
  },
});

const columns = (truncate: boolean): ColumnTable<Result> => ({
  Name: { header: "NAME", value: ({ name }) => name ?? "" },
  Description: {
    header: "DESCRIPTION",
    value: ({ description }) => {
      const text = (description ?? "").replaceAll("\n", " ").replaceAll("\r", " ");
      return truncate ? ellipsis(text, 45) : text;
    },
  },
  StarCount: { header: "STARS", value: ({ star_count: stars }) => String(stars ?? 0) },
  IsOfficial: { header: "OFFICIAL", value: ({ is_official: official }) => (official === true ? "[OK]" : "") },
  IsAutomated: { header: "AUTOMATED", value: () => "" },
});
