import { join } from "node:path";
import { EngineError } from "../base/errors.ts";
import type { LogRecord, LogTarget } from "../logs/driver.ts";
import type { Container } from "./container.ts";
import type { LogsQuery } from "./containers.ts";
import type { ContainerDeps } from "./deps.ts";
import { isLive } from "./books/state.ts";

/** Where a container's output goes, for the monitor and for reading. */
export function logTarget(container: Container): LogTarget {
  const { driver, options } = container.plan.log;
  return {
    driver,
    options,
    containerId: container.id,
    folder: join(container.paths.folder, "logs"),
    attributes: logAttributes(container),
  };
}

/** Labels and variables that `--log-opt labels=a,b` and `env=A,B` ask to keep with each record (moby parity). */
function logAttributes({ plan }: Container): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const name of (plan.log.options["labels"] ?? "").split(",")) {
    const value = plan.labels[name];
    if (name !== "" && value !== undefined) attributes[name] = value;
  }
  const variables = new Map(
    plan.process.env.map((row) => [row.split("=", 1)[0] ?? "", row.slice(row.indexOf("=") + 1)] as const),
  );
  for (const name of (plan.log.options["env"] ?? "").split(",")) {
    const value = variables.get(name);
    if (name !== "" && value !== undefined) attributes[name] = value;
  }
  return attributes;
}

/** Reads a container's log. With `follow` it ends at the end of the run, or with the container. */
export async function* readLogs(
  deps: ContainerDeps,
  ref: string,
  query: LogsQuery,
): AsyncIterable<readonly LogRecord[]> {
  const container = deps.records.get(ref);
  const driver = await deps.logDriver(container.plan.log.driver);
  if (!driver.read)
    throw new EngineError("not-implemented", "configured logging driver does not support reading", {
      driver: driver.name,
    });
  const ended = new AbortController();
  const gone = new AbortController();
  // Looked at without a pause before the waiting begins, or the exit in between would be missed.
  if (query.follow && isLive(deps.records.get(container.id).state)) {
    // A failed or cancelled wait ends the following just as an exit does.
    void deps.waiters
      .add(container.id, "next-exit", gone.signal)
      .catch(() => undefined)
      .then(() => ended.abort());
  } else {
    ended.abort();
  }
  try {
    yield* driver.read(logTarget(container), { ...query, ended: ended.signal });
  } finally {
    gone.abort();
  }
}
