import { join } from "node:path";
import { EngineError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Config } from "./config-table.ts";

const known = ["listen", "root", "anonymous", "config"];

/** Serves a registry beside the API where the setting says so; loaded only then. Throws what `registry serve` would say. */
export async function startRegistry(
  config: Pick<Config, "registry" | "data-root" | "log-format">,
  { logger, undo }: { logger: Logger; undo: AsyncDisposableStack },
): Promise<void> {
  const given = config.registry;
  if (Object.keys(given).length === 0) return;
  for (const name of Object.keys(given))
    if (!known.includes(name))
      throw new EngineError("invalid", `registry: ${name}: there is no such setting (${known.join(", ")} are)`);
  const { startEmbedded } = await import("../registry/embedded.ts");
  const registry = undo.use(
    await startEmbedded(
      { root: join(config["data-root"], "registry"), ...given },
      { logger, format: config["log-format"] === "json" ? "json" : "text" },
    ),
  );
  logger.info("the registry serves", { address: registry.address });
}
