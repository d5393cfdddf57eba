import type { SolveLine, SolveVertex } from "./solve-stream.ts";

/** Shows a build while it goes on. */
export interface BuildProgress {
  /** `known` are all vertices told so far. */
  take(line: SolveLine, known: ReadonlyMap<string, SolveVertex>): void;
  /** What is done before the build itself: sending the context. */
  note(text: string): void;
  end(): void;
}

export const silentProgress: BuildProgress = { take: () => {}, note: () => {}, end: () => {} };
