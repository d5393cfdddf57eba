import { type ErrorKind, errorKind, errorMessage } from "../base/errors.ts";
import type { Exchange } from "./http/exchange.ts";
import { jsonText } from "./route.ts";

/** engine-api.md 1.2; a deadline and a cancelled wait have no status of their own in Docker. */
const statusOf: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  "not-found": 404,
  "not-modified": 304,
  conflict: 409,
  unavailable: 503,
  "not-implemented": 501,
  deadline: 500,
  cancelled: 499,
  internal: 500,
};

export const errorStatus = (error: unknown): number => statusOf[errorKind(error)];

/** `{"message": ...}`. The Go client reads it only under exactly this content type (engine-api.md 0.4). */
export function sendError(exchange: Exchange, error: unknown, asText = false): void {
  const status = errorStatus(error);
  if (status === 304) exchange.send(304, {});
  else if (asText)
    exchange.send(
      status,
      { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" },
      `${errorMessage(error)}\n`,
    );
  else exchange.send(status, { "Content-Type": "application/json" }, jsonText({ message: errorMessage(error) }));
}
