import { command } from "../command.ts";
import { readConfigFile } from "../config-file.ts";
import { renderList } from "../render/table.ts";
import { compileTemplate, TemplateError } from "../render/template.ts";
import { checkFilter, parseFilters } from "../values/filter.ts";
import { containerColumns, labelOf } from "./list-columns.ts";

export const ls = command({
  path: "container ls",
  aliases: ["container list", "container ps", "ps"],
  args: "",
  arity: { min: 0, max: 0 },
  summary: "List containers",
  flags: {
    all: { type: "bool", short: "a", help: "Show all containers, not only running ones" },
    filter: {
      type: "list",
      short: "f",
      valueName: "filter",
      check: checkFilter,
      help: "Show those that fit (name=value)",
    },
    format: { type: "string", help: "How to print: 'table', 'table TEMPLATE', 'json' or a Go template" },
    last: { type: "int", short: "n", default: -1, help: "Show the n containers created last, in any state" },
    latest: { type: "bool", short: "l", help: "Show the container created last, in any state" },
    "no-trunc": { type: "bool", help: "Do not cut long texts" },
    quiet: { type: "bool", short: "q", help: "Print IDs only" },
    size: { type: "bool", short: "s", help: "Show sizes of files" },
  },
  async run({ flags, set, engine, stdout, stderr, configDir }) {
    const { all, quiet } = flags;
    const format = flags.format ?? (quiet ? undefined : readConfigFile(configDir).psFormat);
    if (quiet && set.has("format"))
      stderr.write("WARNING: Ignoring custom format, because both --format and --quiet are set.\n");
    if (flags.format !== undefined) checkFormat(flags.format);
    const limit = flags.latest && flags.last === -1 ? 1 : flags.last;
    const size = flags.size || (!set.has("size") && format !== undefined && /\.Size\b/.test(format));
    const filters = parseFilters(flags.filter);
    const rows = await engine.call("ContainerList", {
      ...(all ? { all } : {}),
      ...(limit > 0 ? { limit } : {}),
      ...(size ? { size } : {}),
      ...(filters === undefined ? {} : { filters }),
    });
    const render = () =>
      renderList(rows, {
        // unlike other lists, where a format wins over --quiet
        format: quiet ? undefined : format,
        quiet,
        columns: containerColumns({ truncate: !flags["no-trunc"], nowMs: Date.now() }),
        defaultFormat: `table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.Ports}}\\t{{.Names}}${size ? "\\t{{.Size}}" : ""}`,
        rawFormat: `container_id: {{.ID}}\\nimage: {{.Image}}\\ncommand: {{.Command}}\\ncreated_at: {{.CreatedAt}}\\nstate: {{- pad .State 1 0}}\\nstatus: {{- pad .Status 1 0}}\\nnames: {{.Names}}\\nlabels: {{- pad .Labels 1 0}}\\nports: {{- pad .Ports 1 0}}\\n${size ? "size: {{.Size}}\\n" : ""}`,
        typeName: "*formatter.ContainerContext",
        label: labelOf,
        stdout,
      });
    try {
      render();
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      throw new Error(error.message.replace(/^template parsing error/, "failed to execute template"), { cause: error });
    }
  },
});

/** docker's `ps` tries the template before it asks for the list, to learn whether sizes are wanted. */
function checkFormat(format: string): void {
  try {
    compileTemplate(format);
  } catch (error) {
    throw new Error(`failed to parse template: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
