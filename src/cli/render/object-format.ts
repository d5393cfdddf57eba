import { ExitError } from "../exit-error.ts";
import { compileTemplate, type Template, TemplateError } from "./template.ts";

/**
 * `--format` of commands that show one object: status 64 for a template that does not parse, 1 for one that cannot be
 * run, with docker's texts.
 */
export function expandObject(format: string, value: unknown, name = ""): string {
  const template = compileOrExit(format, name);
  try {
    return template(value);
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(1, error.message);
    throw error;
  }
}

function compileOrExit(format: string, name: string): Template {
  try {
    return compileTemplate(format, name);
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(64, `template parsing error: ${error.message}`);
    throw error;
  }
}
