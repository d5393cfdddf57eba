import { GoStruct } from "./go-value.ts";
import { alignTabs } from "./tabwriter.ts";
import { compileTemplate, type Template, TemplateError } from "./template.ts";
import { headerFunctions } from "./template-functions.ts";

export interface Column<Row> {
  /** The heading in a table: `CONTAINER ID`. */
  readonly header: string;
  /** Text, mostly; docker's `json` shows what is given here. */
  readonly value: (row: Row) => unknown;
}
/** By the name templates use: `{{.ID}}`. */
export type ColumnTable<Row> = Readonly<Record<string, Column<Row>>>;

export interface ListOptions<Row> {
  /** What `--format` said; undefined or `table` is the default table. */
  readonly format: string | undefined;
  readonly quiet?: boolean | undefined;
  /** The template of `--quiet`. `{{.ID}}` unless said otherwise. */
  readonly quietFormat?: string;
  readonly columns: ColumnTable<Row>;
  /** `table {{.ID}}\t{{.Name}}` */
  readonly defaultFormat: string;
  /** What `--format raw` stands for, where the command has it. */
  readonly rawFormat?: string;
  /** docker's name of the row in errors: `*formatter.ContainerContext`. */
  readonly typeName?: string;
  /** `{{.Label "key"}}`. */
  readonly label?: (row: Row, name: string) => string;
  readonly stdout: { write(text: string): unknown };
}

/** Prints rows as docker's lists do: `table ...`, `json` (one object per line, keys sorted) or a template per row. */
export function renderList<Row>(rows: readonly Row[], options: ListOptions<Row>): void {
  options.stdout.write(formatList(rows, options));
}

/** The text that renderList prints. */
export function formatList<Row>(rows: readonly Row[], options: ListOptions<Row>): string {
  const chosen = choose(options);
  const isTable = chosen.startsWith("table");
  const source =
    chosen === "json"
      ? "{{json .}}"
      : (isTable ? chosen.slice("table".length) : chosen)
          .replace(/^ +| +$/g, "")
          .replaceAll("\\t", "\t")
          .replaceAll("\\n", "\n");
  const template = dockerTemplate(source);
  const names = Object.keys(options.columns).sort();
  const body = rows.map((row) => `${dockerRun(template, rowValue(row, names, options))}\n`).join("");
  if (!isTable) return body;
  return alignTabs(`${headerLine(template, options)}\n${body}`, { minWidth: 10, padding: 3 });
}

function choose<Row>({ format, quiet, quietFormat = "{{.ID}}", defaultFormat, rawFormat }: ListOptions<Row>): string {
  // A format of one's own wins over --quiet.
  if (format === undefined || format === "" || format === "table") return quiet === true ? quietFormat : defaultFormat;
  return format === "raw" && rawFormat !== undefined ? rawFormat : format;
}

/** compileTemplate with docker's words before the error. */
export function dockerTemplate(source: string): Template {
  try {
    return compileTemplate(source);
  } catch (error) {
    throw prefixed(error);
  }
}

/** Runs a template with docker's words before the error. */
export function dockerRun(template: Template, value: unknown): string {
  try {
    return template(value);
  } catch (error) {
    throw prefixed(error);
  }
}

const prefixed = (error: unknown): unknown =>
  error instanceof TemplateError ? new TemplateError(`template parsing error: ${error.message}`) : error;

function rowValue<Row>(
  row: Row,
  names: readonly string[],
  { columns, typeName = "*formatter.Context", label }: ListOptions<Row>,
): GoStruct {
  const field = (name: string): unknown => {
    if (name === "Label" && label !== undefined) return (key: string) => label(row, key);
    return Object.hasOwn(columns, name) ? columns[name]?.value(row) : undefined;
  };
  return new GoStruct(typeName, names, field);
}

/** `com.example.my-label` is headed "my label". */
const labelHeader = (name: string): string => (name.split(".").at(-1) ?? "").replace(/[-_]/g, " ");

function headerLine<Row>(template: Template, { columns }: ListOptions<Row>): string {
  const headers = Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column.header]));
  const value = new GoStruct("formatter.SubHeaderContext", Object.keys(headers), (name) =>
    name === "Label" ? labelHeader : Object.hasOwn(headers, name) ? headers[name] : "",
  );
  try {
    return template(value, { functions: headerFunctions });
  } catch (error) {
    // docker ignores a header that cannot be made: the rows were fine.
    if (error instanceof TemplateError) return "";
    throw error;
  }
}
