import { ExitError } from "../exit-error.ts";
import { goJson } from "./go-value.ts";
import { compileTemplate, type Template, TemplateError } from "./template.ts";

type Writer = { write(text: string): unknown };

/** How one kind of object looks to Go: gives the struct that docker's templates see first. */
export type Typed = (value: unknown) => unknown;

/**
 * Prints what `inspect` commands print: a JSON array with 4 spaces, `json` on one line, or a template per object.
 * As in docker a template sees the typed object first and the raw JSON after, so `.ID` and `.Id` both work.
 */
export function renderInspect(
  values: readonly unknown[],
  format: string | undefined,
  stdout: Writer,
  typed?: Typed,
): void {
  const printer = inspectPrinter(format, stdout);
  const errors: string[] = [];
  for (const value of values) {
    const problem = printer.add(value, typed);
    if (problem !== undefined) errors.push(problem);
  }
  printer.finish(errors);
}

export interface InspectPrinter {
  /** Takes one object; the text of the error if its template cannot be run. */
  add(value: unknown, typed?: Typed): string | undefined;
  /** Writes everything; throws if there were errors, each on its line. */
  finish(errors: readonly string[]): void;
}

/** For commands that find their objects one by one. Throws at once (status 64) for a template that does not parse. */
export function inspectPrinter(format: string | undefined, stdout: Writer): InspectPrinter {
  const values: unknown[] = [];
  const lines: string[] = [];
  const template = format === undefined || format === "" || format === "json" ? undefined : parse(format);
  return {
    add(value, typed) {
      if (template === undefined) values.push(value);
      else {
        try {
          lines.push(`${expand(template, value, typed)}\n`);
        } catch (error) {
          if (error instanceof TemplateError) return `template parsing error: ${error.message}`;
          throw error;
        }
      }
      return undefined;
    },
    finish(errors) {
      if (template !== undefined) stdout.write(lines.join("") || "\n");
      else if (format === "json") stdout.write(`${goJson(values)}\n`);
      else stdout.write(`${JSON.stringify(values, null, 4)}\n`);
      if (errors.length > 0) throw new ExitError(1, errors.join("\n"));
    },
  };
}

function parse(format: string): Template {
  try {
    return compileTemplate(format);
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(64, `template parsing error: ${error.message}`);
    throw error;
  }
}

function expand(template: Template, value: unknown, typed: Typed | undefined): string {
  if (typed !== undefined) {
    try {
      return template(typed(value));
    } catch (error) {
      // docker tries again with the JSON itself, where the names are the wire's.
      if (!(error instanceof TemplateError)) throw error;
    }
  }
  return template(value, { missingKey: "error" });
}
