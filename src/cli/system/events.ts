import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { filterFlag, objectFormat } from "../render/format-flag.ts";
import { GoStruct, isMap, sortedKeys } from "../render/go-value.ts";
import { readLines } from "../render/progress.ts";
import { compileTemplate, type Template, TemplateError } from "../render/template.ts";
import { fixedNanoTime } from "../render/units.ts";
import { checkFilter, parseFilters } from "../values/filter.ts";
import { parseTimestamp } from "../values/timestamp.ts";

export const events = command({
  path: "system events",
  aliases: ["events"],
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Get real time events from the server",
  flags: {
    filter: { ...filterFlag, check: checkFilter },
    format: { type: "string", help: objectFormat.help },
    since: { type: "string", help: "Show all events created since timestamp" },
    until: { type: "string", help: "Stream events until this timestamp" },
  },
  async run({ flags, engine, stdout, signal }) {
    const template =
      flags.format === undefined || flags.format === "" || flags.format === "json" ? undefined : compile(flags.format);
    const { body } = await engine.stream(
      "SystemEvents",
      {
        filters: parseFilters(flags.filter),
        ...(flags.since === undefined ? {} : { since: parseTimestamp(flags.since) }),
        ...(flags.until === undefined ? {} : { until: parseTimestamp(flags.until) }),
      },
      { signal },
    );
    try {
      await show(readLines(body), { format: flags.format, template, stdout });
    } catch (error) {
      // ^C ends the stream in the middle; that is no failure of it.
      signal.throwIfAborted();
      throw error;
    }
  },
});

interface Shown {
  readonly format: string | undefined;
  readonly template: Template | undefined;
  readonly stdout: { write(text: string): unknown };
}

async function show(lines: AsyncIterable<string>, { format, template, stdout }: Shown): Promise<void> {
  for await (const line of lines) {
    if (format === "json") stdout.write(`${plainJson(line)}\n`);
    else stdout.write(template === undefined ? eventLine(readEvent(line)) : `${expand(template, readEvent(line))}\n`);
  }
}

/** The line as it came, since a parsed timeNano has lost its last digits; only `<`, `>` and `&` are shown plain. */
function plainJson(line: string): string {
  // The first alternative keeps an escaped backslash before "u003c" from being taken for an escape.
  return line.trim().replace(/\\\\|\\u00(3c|3e|26)/g, (escape, code: string | undefined) => {
    return code === undefined ? escape : String.fromCharCode(Number.parseInt(code, 16));
  });
}

function compile(format: string): Template {
  try {
    return compileTemplate(format);
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(64, `Error parsing format: ${error.message}`);
    throw error;
  }
}

function expand(template: Template, event: Event): string {
  try {
    return template(typed(event));
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(64, `Error parsing format: ${error.message}`);
    throw error;
  }
}

interface Event {
  readonly json: Readonly<Record<string, unknown>>;
  readonly timeNano: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly id: string;
}

function readEvent(line: string): Event {
  const json: unknown = JSON.parse(line);
  if (!isMap(json)) throw new ExitError(1, `the answer of the daemon is not an event: ${line.slice(0, 200)}`);
  const actor = isMap(json["Actor"]) ? json["Actor"] : {};
  const nanos = /"timeNano":(\d+)/.exec(line)?.[1];
  const timeNano = nanos === undefined ? BigInt(Number(json["time"] ?? 0)) * 1_000_000_000n : BigInt(nanos);
  return {
    json,
    timeNano,
    attributes: isMap(actor["Attributes"]) ? actor["Attributes"] : {},
    id: String(actor["ID"] ?? ""),
  };
}

/** `2026-11-21T06:49:27.854936509Z container start <id> (image=busybox, name=x)` */
function eventLine({ json, timeNano, attributes, id }: Event): string {
  const pairs = sortedKeys(attributes).map((key) => `${key}=${String(attributes[key])}`);
  const suffix = pairs.length === 0 ? "" : ` (${pairs.join(", ")})`;
  return `${fixedNanoTime(timeNano)} ${String(json["Type"] ?? "")} ${String(json["Action"] ?? "")} ${id}${suffix}\n`;
}

const names = ["Status", "ID", "From", "Type", "Action", "Actor", "Scope", "Time", "TimeNano"];
const wireNames: Readonly<Record<string, string>> = {
  Status: "status",
  ID: "id",
  From: "from",
  Scope: "scope",
  Time: "time",
};

function typed({ json, timeNano, attributes, id }: Event): GoStruct {
  const actor = new GoStruct(
    "events.Actor",
    ["ID", "Attributes"],
    (name) => (name === "ID" ? id : name === "Attributes" ? attributes : undefined),
    () => json["Actor"],
  );
  return new GoStruct(
    "*events.Message",
    names,
    (name) => {
      if (name === "TimeNano") return timeNano;
      if (name === "Actor") return actor;
      return names.includes(name) ? (json[wireNames[name] ?? name] ?? (name === "Time" ? 0 : "")) : undefined;
    },
    () => ({ ...json, timeNano }),
  );
}
