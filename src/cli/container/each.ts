import type { CommandContext } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { failureText } from "../failure.ts";

/**
 * Does one thing to many containers at once. Names come out in the order given, those that succeeded; the failures
 * follow as one, as docker does it.
 */
export async function each(
  { engine, stdout, stderr }: Pick<CommandContext, "engine" | "stdout" | "stderr">,
  names: readonly string[],
  act: (name: string) => Promise<unknown>,
): Promise<void> {
  const results = names.map((name) =>
    act(name).then(
      () => undefined,
      (error: unknown) => ({ error }),
    ),
  );
  const failures: string[] = [];
  for (const [index, result] of results.entries()) {
    const failure = await result;
    if (failure === undefined) stdout.write(`${names[index]}\n`);
    else failures.push(failureText(failure.error, engine.host));
  }
  if (failures.length === 0) return;
  stderr.write(`${failures.join("\n")}\n`);
  throw new ExitError(1);
}
