import { templateFunctions, type TemplateFunction } from "./template-functions.ts";
import { parseTemplate } from "./template-parse.ts";
import { runTemplate } from "./template-run.ts";

export { TemplateError } from "./template-parse.ts";

export interface TemplateOptions {
  /** What a missing map entry is: `<no value>` (default), or an error. */
  readonly missingKey?: "default" | "error";
  readonly functions?: Readonly<Record<string, TemplateFunction>>;
}

/** A compiled template. Throws TemplateError with Go's text, without docker's "template parsing error: " before it. */
export type Template = (value: unknown, options?: TemplateOptions) => string;

/** Compiles a Go text/template with docker's functions; the name stands in errors. Throws TemplateError where Go would not parse it. */
export function compileTemplate(source: string, name = ""): Template {
  const parsed = parseTemplate(source, { name, known: (word) => Object.hasOwn(templateFunctions, word) });
  return (value, { missingKey = "default", functions = templateFunctions } = {}) =>
    runTemplate(parsed, value, { missingKey, functions });
}
