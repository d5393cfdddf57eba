import type { EngineClient } from "../../client/engine-client.ts";
import { failureText } from "../failure.ts";
import { inspectPrinter, type Typed } from "./inspect.ts";

export interface InspectNamed {
  readonly engine: EngineClient;
  readonly names: readonly string[];
  readonly format: string | undefined;
  readonly stdout: { write(text: string): unknown };
  /** Finds one; its failure is printed after everything that was found. */
  readonly find: (name: string) => Promise<{ value: unknown; typed?: Typed | undefined }>;
}

/** The `inspect` commands: what is found is printed, then the errors, status 1 if there were any. */
export async function inspectNamed({ engine, names, format, stdout, find }: InspectNamed): Promise<void> {
  const printer = inspectPrinter(format, stdout);
  const errors: string[] = [];
  for (const name of names) {
    try {
      const { value, typed } = await find(name);
      const problem = printer.add(value, typed);
      if (problem !== undefined) errors.push(problem);
    } catch (error) {
      errors.push(failureText(error, engine.host));
    }
  }
  printer.finish(errors);
}
