import type { TestDaemon } from "./daemon.ts";
import type { Result, RunOptions } from "./run.ts";

/** A command line under test: the stock docker CLI or Berth's own. */
export interface Client {
  readonly name: "docker" | "berth";
  (args: readonly string[], options?: RunOptions): Promise<Result>;
}

export const clientNames = ["docker", "berth"] as const;

export function client(daemon: TestDaemon, name: (typeof clientNames)[number]): Client {
  return Object.defineProperty((args: readonly string[], options?: RunOptions) => daemon[name](args, options), "name", {
    value: name,
  }) as Client;
}
