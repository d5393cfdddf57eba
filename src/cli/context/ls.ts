import { errorMessage } from "../../base/errors.ts";
import { command } from "../command.ts";
import { listFormat } from "../render/format-flag.ts";
import { type ColumnTable, renderList } from "../render/table.ts";
import { ellipsis } from "../render/units.ts";
import { defaultContext, defaultDescription } from "./default-context.ts";
import { ContextStore } from "./store.ts";

interface Row {
  readonly name: string;
  readonly description: string;
  readonly host: string;
  readonly current: boolean;
  readonly error: string;
}

export const contextLs = command({
  path: "context ls",
  aliases: ["context list"],
  args: "",
  arity: { min: 0, max: 0 },
  summary: "List contexts",
  flags: { format: listFormat, quiet: { type: "bool", short: "q", help: "Only show context names" } },
  async run({ flags, stdout, stderr, env, configDir, contextName }) {
    renderList(rows(env, configDir, contextName), {
      format: flags.format,
      quiet: flags.quiet,
      quietFormat: "{{.Name}}",
      columns,
      defaultFormat: "table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}",
      typeName: "*formatter.clientContextContext",
      stdout,
    });
    const variable = env["BERTH_HOST"] ? "BERTH_HOST" : env["DOCKER_HOST"] ? "DOCKER_HOST" : undefined;
    if (variable !== undefined && !flags.quiet)
      stderr.write(
        `Warning: ${variable} environment variable overrides the active context. To use a context, either set the global --context flag, or unset ${variable} environment variable.\n`,
      );
  },
});

function rows(env: Readonly<Record<string, string | undefined>>, configDir: string, current: string): Row[] {
  const store = new ContextStore(configDir);
  const found = [
    { ...defaultContext(env, configDir), Metadata: { Description: defaultDescription } },
    ...store.list(),
  ].map(({ Name, Metadata, Endpoints }) => ({
    name: Name,
    description: Metadata.Description ?? "",
    host: Endpoints.docker?.Host ?? "",
    current: Name === current,
    error: "",
  }));
  if (!found.some((row) => row.current))
    found.push({ name: current, description: "", host: "", current: true, error: missing() });
  return found.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));

  function missing(): string {
    try {
      store.read(current);
      return "";
    } catch (error) {
      return errorMessage(error);
    }
  }
}

const columns: ColumnTable<Row> = {
  Name: { header: "NAME", value: ({ name }) => name },
  Description: { header: "DESCRIPTION", value: ({ description }) => description },
  DockerEndpoint: { header: "DOCKER ENDPOINT", value: ({ host }) => host },
  Current: { header: "", value: ({ current }) => current },
  Error: { header: "ERROR", value: ({ error }) => ellipsis(error.replaceAll("\n", " "), 45) },
};
