import { EngineError } from "../../base/errors.ts";

/** Lines of a Dockerfile, the first is 1. */
export interface Place {
  readonly line: number;
  readonly endLine: number;
}

/** An error that the parser finds before it knows the file's name and the place; `located()` adds both. */
export class SyntaxFault extends Error {}

/** `dockerfile parse error on line 2 of Dockerfile: unknown instruction: BOGUS` */
export function parseError(fileName: string, place: Place, text: string): EngineError {
  return new EngineError("invalid", `dockerfile parse error on line ${place.line} of ${fileName}: ${text}`, {
    file: fileName,
    line: place.line,
    endLine: place.endLine,
  });
}

/** Runs `work`; a SyntaxFault becomes an error that names the file and the line. */
export function located<T>(fileName: string, place: Place, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof SyntaxFault) throw parseError(fileName, place, error.message);
    throw error;
  }
}
