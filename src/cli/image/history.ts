import type { ImageHistoryResponseItem } from "../../spec/engine/types.gen.ts";
import { command } from "../command.ts";
import { listFormat } from "../render/format-flag.ts";
import { type ColumnTable, renderList } from "../render/table.ts";
import { ellipsis, humanSize, localRfc3339, shortId, timeAgo } from "../render/units.ts";
import { platformJson } from "./platform.ts";

export const imageHistory = command({
  path: "image history",
  aliases: ["history"],
  args: "IMAGE",
  arity: { min: 1, max: 1 },
  summary: "Show the history of an image",
  complete: "image",
  flags: {
    format: listFormat,
    human: { type: "bool", short: "H", default: true, help: "Print sizes and dates in human readable format" },
    "no-trunc": { type: "bool", help: "Don't truncate output" },
    platform: {
      type: "string",
      help: 'Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
    quiet: { type: "bool", short: "q", help: "Only show image IDs" },
  },
  async run({ flags, args: [name = ""], engine, stdout }) {
    const platform = flags.platform === undefined ? {} : { platform: platformJson(flags.platform) };
    const history = await engine.call("ImageHistory", { name, ...platform });
    renderList(history, {
      format: flags.format,
      quiet: flags.quiet,
      columns: columns({ human: flags.human, truncate: !flags["no-trunc"] }),
      defaultFormat: `table {{.ID}}\t${flags.human ? "{{.CreatedSince}}" : "{{.CreatedAt}}"}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}`,
      typeName: "*image.historyContext",
      stdout,
    });
  },
});

function columns({ human, truncate }: { human: boolean; truncate: boolean }): ColumnTable<ImageHistoryResponseItem> {
  return {
    ID: { header: "IMAGE", value: ({ Id }) => (truncate ? shortId(Id) : Id) },
    CreatedSince: { header: "CREATED", value: ({ Created }) => (Created <= 0 ? "N/A" : timeAgo(Created * 1000)) },
    CreatedAt: { header: "CREATED AT", value: ({ Created }) => localRfc3339(Created * 1000) },
    CreatedBy: {
      header: "CREATED BY",
      value: ({ CreatedBy }) => {
        const text = CreatedBy.replaceAll("\t", " ");
        return truncate ? ellipsis(text, 45) : text;
      },
    },
    Size: { header: "SIZE", value: ({ Size }) => (human ? humanSize(Size, 3) : String(Size)) },
    Comment: { header: "COMMENT", value: ({ Comment }) => Comment },
  };
}
