import type { EngineClient } from "../../client/engine-client.ts";
import { complete } from "./complete.ts";

/**
 * `__complete WORDS...`, cobra's protocol, which docker's own completion scripts speak too: a candidate a line, a tab
 * and its description, and `:DIRECTIVE` at the end. `__completeNoDesc` leaves the descriptions out.
 */
export async function answerCompletion(
  argv: readonly string[],
  engine: () => EngineClient,
  stdout: { write(text: string): unknown },
): Promise<number> {
  const [how, ...rest] = argv;
  const { candidates, directive } = await complete(rest[0] === "--" ? rest.slice(1) : rest, engine);
  const plain = how === "__completeNoDesc";
  const lines = candidates.map(({ word, description }) =>
    description === undefined || plain ? `${word}\n` : `${word}\t${description}\n`,
  );
  stdout.write(`${lines.join("")}:${directive}\n`);
  return 0;
}
