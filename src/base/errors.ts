/**
 * The kinds of expected failure. Faces map each kind to their own code (HTTP status, exit code, gRPC code) by an
 * exhaustive Record, so a new kind does not compile until every face knows it.
 */
export type ErrorKind =
  | "invalid"
  | "unauthorized"
  | "forbidden"
  | "not-found"
  | "not-modified"
  | "conflict"
  | "unavailable"
  | "not-implemented"
  | "deadline"
  | "cancelled"
  | "internal";

/**
 * An expected failure that a user will read. The message is lower case without a full stop, names the object, and
 * says what to do where that is known; texts that Docker's clients match on are Docker's own.
 */
export class EngineError extends Error {
  readonly kind: ErrorKind;
  readonly detail: Readonly<Record<string, unknown>>;

  constructor(kind: ErrorKind, message: string, detail: Record<string, unknown> = {}, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "EngineError";
    this.kind = kind;
    this.detail = detail;
  }
}

/** The kind of any thrown value: what is not an EngineError is "internal". */
export function errorKind(error: unknown): ErrorKind {
  if (error instanceof SuppressedError) return errorKind(error.suppressed);
  return error instanceof EngineError ? error.kind : "internal";
}

/** The text of any thrown value; of what failed first where its undoing failed too. */
export function errorMessage(error: unknown): string {
  if (error instanceof SuppressedError) return errorMessage(error.suppressed);
  return error instanceof Error ? error.message : String(error);
}
