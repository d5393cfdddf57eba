import type { EngineClient } from "../../client/engine-client.ts";
import { ExitError } from "../exit-error.ts";
import { failureText } from "../failure.ts";

/** Does something for each argument; one that fails does not keep the others, and all texts come at the end (status 1). */
export async function eachArgument(
  engine: EngineClient,
  args: readonly string[],
  act: (arg: string) => Promise<void>,
): Promise<void> {
  const errors: string[] = [];
  for (const arg of args) {
    try {
      await act(arg);
    } catch (error) {
      errors.push(failureText(error, engine.host));
    }
  }
  if (errors.length > 0) throw new ExitError(1, errors.join("\n"));
}
