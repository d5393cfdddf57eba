import type { Container } from "../../containers/container.ts";
import type { Stats } from "../../metrics/stats.ts";
import { jsonText, Reply } from "../route.ts";
import { statsJson } from "../views/stats-json.ts";

/** dockerd samples once a second. */
const intervalMs = 1000;

/**
 * One sample; two a second apart when it shall carry its predecessor (clients compute CPU% from both); or one a
 * second until the client or the container is gone.
 */
export function statsReply(options: {
  container: Container;
  stats: () => Promise<Stats>;
  memoryBytes: number;
  stream: boolean;
  oneShot: boolean;
  signal: AbortSignal;
}): Reply {
  const { container, stats, memoryBytes, stream, oneShot, signal } = options;
  return new Reply(async (exchange) => {
    const runs = container.state.pid !== 0;
    let last = await stats();
    const headers = { "Content-Type": "application/json" };
    if (!stream) {
      let before: Stats | undefined;
      if (!oneShot && runs) {
        await pause(signal);
        before = last;
        last = await stats();
      }
      exchange.send(200, headers, jsonText(statsJson(container, last, before, memoryBytes)));
      return;
    }
    exchange.begin(200, headers);
    let before: Stats | undefined;
    while (!signal.aborted) {
      if (!(await exchange.write(jsonText(statsJson(container, last, before, memoryBytes))))) break;
      await pause(signal);
      if (signal.aborted) break;
      before = last;
      try {
        last = await stats();
      } catch {
        break; // it was removed: the stream is over
      }
    }
    exchange.end();
  });
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, intervalMs);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done);
  });
}
