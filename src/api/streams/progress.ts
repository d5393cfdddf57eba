import { errorMessage } from "../../base/errors.ts";
import type { Progress } from "../../images/images.ts";
import type { Exchange } from "../http/exchange.ts";
import { Reply } from "../route.ts";

/** JSON as Go's streaming encoder writes it: `<`, `>` and `&` escaped (engine-api.md 1.2). */
export function streamJson(value: unknown): string {
  return `${JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)}\r\n`;
}

/** A line of progress in its wire form. */
function progressJson({ id, status, stream, current, total, aux, isNote }: Progress): Record<string, unknown> {
  if (stream !== undefined) return { stream };
  if (aux !== undefined) return { progressDetail: {}, aux };
  const counts = current !== undefined && total !== undefined;
  return {
    status,
    ...(id !== undefined && isNote !== true && { progressDetail: counts ? { current, total } : {} }),
    ...(counts && { progress: bar(current, total) }),
    ...(id !== undefined && { id }),
  };
}

/**
 * Runs work that reports as it goes. The first report starts the stream; a failure before it is an ordinary error,
 * one after it is told in the stream (engine-api.md 0.12).
 */
export function progressReply(
  work: (emit: { report: (progress: Progress) => void; send: (value: unknown) => void }) => Promise<void>,
): Reply {
  return new Reply(async (exchange) => {
    const send = (value: unknown): void => {
      begin(exchange);
      // Reports are small and few beside the work: a client that does not read them costs a bounded amount
      void exchange.write(streamJson(value));
    };
    try {
      await work({ report: (progress) => send(progressJson(progress)), send });
      begin(exchange);
    } catch (error) {
      if (!exchange.started) throw error;
      const message = errorMessage(error);
      await exchange.write(streamJson({ errorDetail: { message }, error: message })); // moby parity: no code
    }
    exchange.end();
  });
}

function begin(exchange: Exchange): void {
  if (!exchange.started) exchange.begin(200, { "Content-Type": "application/json" });
}

/** The bar of `progress`, which clients without a terminal print: `[=====>     ]  1.2MB/3.4MB`. */
function bar(current: number, total: number): string {
  if (total <= 0) return humanBytes(current).padStart(8);
  const filled = Math.min(50, Math.floor((current / total) * 50));
  const numbers = humanBytes(current).padStart(8) + (current > total ? "" : `/${humanBytes(total)}`);
  return `[${"=".repeat(filled)}>${" ".repeat(50 - filled)}] ${numbers}`;
}

/** go-units HumanSize: decimal, four significant digits. */
function humanBytes(bytes: number): string {
  const names = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let index = 0;
  while (value >= 1000 && index < names.length - 1) {
    value /= 1000;
    index++;
  }
  return `${Number(value.toPrecision(4))}${names[index]}`;
}
