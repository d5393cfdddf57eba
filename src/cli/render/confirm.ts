import type { Readable } from "node:stream";

export interface Terminal {
  readonly stdin: Readable;
  readonly stdout: { write(text: string): unknown };
}

/** Asks before something is destroyed. Anything but y (or the end of input) is no. */
export async function confirm(question: string, { stdin, stdout }: Terminal): Promise<boolean> {
  stdout.write(`${question} [y/N] `);
  return (await firstLine(stdin)).trim().toLowerCase() === "y";
}

async function firstLine(stdin: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stdin) {
    text += String(chunk);
    // An answer is one letter; more is a mistake in a pipe.
    if (text.includes("\n") || text.length > 1024) break;
  }
  return text.split("\n")[0] ?? "";
}
