import type { Readable } from "node:stream";
import { readLines } from "../render/progress.ts";

/** BuildKit's SolveStatus in JSON, and the lines that this engine adds. */
export interface SolveLine {
  readonly vertexes?: readonly SolveVertex[];
  readonly logs?: readonly {
    readonly vertex: string;
    readonly stream: number;
    readonly data: string;
    readonly timestamp: string;
  }[];
  readonly warnings?: readonly { readonly short: string; readonly detail?: readonly string[]; readonly url: string }[];
  readonly notice?: string;
  readonly explain?: { readonly vertex: string; readonly text: string };
  readonly output?: { readonly index: number; readonly data: string };
  readonly result?: {
    readonly id?: string;
    readonly imageId?: string;
    readonly manifestDigest?: string;
    readonly warnings?: number;
  };
  readonly error?: {
    readonly kind: string;
    readonly message: string;
    readonly detail?: {
      readonly line?: number;
      readonly file?: string;
      readonly exitCode?: number;
      readonly vertex?: string;
    };
  };
}

export interface SolveVertex {
  readonly digest: string;
  readonly name: string;
  readonly inputs?: readonly string[];
  readonly started?: string;
  readonly completed?: string;
  readonly cached?: boolean;
  readonly error?: string;
}

/** Lines of a build's answer, each with its text. */
export async function* solveLines(body: Readable): AsyncGenerator<{ text: string; line: SolveLine }> {
  for await (const text of readLines(body)) yield { text, line: JSON.parse(text) as SolveLine };
}
