import { parseArgs } from "node:util";
import { EngineError, errorMessage } from "../base/errors.ts";
import { Logger } from "../base/log.ts";
import { readOptions, serveFlags } from "./config.ts";
import { openRegistry } from "./open.ts";

/** `berth registry serve`: serves until SIGTERM or SIGINT; gives the exit status. */
export async function runRegistry(argv: readonly string[]): Promise<number> {
  process.umask(0o077); // the socket, the books and the blobs are their owner's alone
  const log = new Logger({ level: "info", format: process.stderr.isTTY ? "text" : "json" });
  process.on("unhandledRejection", (reason) =>
    log.error("a promise was rejected and nobody looked", { cause: reason }),
  );
  try {
    const { values } = parseArgs({ args: [...argv], options: serveFlags, allowPositionals: false });
    const options = await readOptions(values);
    const stopped = Promise.withResolvers<void>();
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopped.resolve());
    await using registry = await openRegistry(options, log);
    log.info("the registry serves", { address: registry.address, root: options.root, storage: options.storage.driver });
    if (options.anonymous.length === 0 && registry.services.users.count === 0)
      log.warn(
        `nobody may do anything yet: make a user with "berth registry user add --root ${options.root} --admin NAME", or start with --anonymous pull`,
      );
    await stopped.promise;
    log.info("the registry stops");
    return 0;
  } catch (error) {
    const { code } = error as { code?: string };
    const expected = error instanceof EngineError || code?.startsWith("ERR_PARSE_ARGS") === true;
    process.stderr.write(
      `berth registry serve: ${expected ? errorMessage(error) : ((error as Error).stack ?? error)}\n`,
    );
    return 1;
  }
}
