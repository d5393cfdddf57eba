import { buildInfo } from "../base/build-info.ts";
import { EngineError, errorMessage } from "../base/errors.ts";
import { Logger, type LogLevel } from "../base/log.ts";
import { notifyServiceManager } from "../kernel/notify.ts";
import { becomeSubreaper, nameProcess } from "../kernel/process/prctl.ts";
import { engineCaller } from "../spec/caller.ts";
import { assemble, type Engine, makeRoots } from "./assemble.ts";
import { readConfig, reloadConfig } from "./config.ts";
import type { Config } from "./config-table.ts";
import { readFlags, type TypedFlags } from "./flags.ts";
import { daemonHelp } from "./help.ts";
import { holdRoots } from "./locks.ts";

/** The daemon's role. Gives the exit status; resolves when the daemon was asked to stop. */
export async function runDaemon(argv: readonly string[]): Promise<number> {
  let typed: TypedFlags;
  let config: Config;
  let warnings: readonly string[];
  try {
    const flags = readFlags(argv);
    typed = flags.typed;
    if (flags.help) return say(daemonHelp());
    if (typed.has("version")) return say(`Berth version ${buildInfo.version}, build ${buildInfo.gitCommit}\n`);
    ({ config, warnings } = readConfig(typed));
    if (config.validate) return say("configuration OK\n");
    if (process.getuid?.() !== 0) throw new EngineError("forbidden", "the daemon needs to run as root");
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`);
    return 1;
  }
  const logger = new Logger({ level: levelOf(config), format: config["log-format"] === "json" ? "json" : "text" });
  for (const warning of warnings) logger.warn(warning);
  return serve(config, typed, logger);
}

async function serve(config: Config, typed: TypedFlags, logger: Logger): Promise<number> {
  const startedAt = performance.now();
  process.umask(0o022);
  nameProcess("berth-daemon");
  catchCrashes(logger);
  const stopping = stopSignal(logger);
  let engine: Engine;
  let roots: Disposable | undefined;
  try {
    makeRoots(config);
    roots = holdRoots({ dataRoot: config["data-root"], execRoot: config["exec-root"], pidfile: config.pidfile });
    becomeSubreaper(); // before the monitor is started: its orphans come to us
    engine = await assemble(config, logger);
  } catch (error) {
    logger.log(
      "fatal",
      `the daemon cannot start: ${errorMessage(error)}`,
      error instanceof EngineError ? {} : { cause: error },
    );
    roots?.[Symbol.dispose]();
    return 1;
  }
  process.on("SIGHUP", () => {
    reload().catch((error: unknown) =>
      logger.error("reload failed, the settings stay", { error: errorMessage(error) }),
    );
  });
  const reload = async (): Promise<void> => {
    const next = reloadConfig(config, typed);
    await engine.reload(next.config);
    config = next.config;
    logger.level = levelOf(config);
    for (const warning of next.warnings) logger.warn(warning);
    logger.info("settings reloaded", { changed: next.changed.join(",") });
    engine.events.publish({
      type: "daemon",
      action: "reload",
      id: engine.id,
      attributes: { name: engine.id, changed: next.changed.join(",") },
      caller: engineCaller,
    });
  };
  for (const address of engine.addresses) logger.info("API listens", { address });
  logger.info("daemon ready", {
    version: buildInfo.version,
    commit: buildInfo.gitCommit,
    pid: process.pid,
    startMs: Math.round(performance.now() - startedAt),
  });
  tellServiceManager("READY=1", logger);

  const signal = await stopping;
  tellServiceManager("STOPPING=1", logger);
  logger.info("daemon stops, containers go on", { signal });
  const timeoutMs = config["shutdown-timeout"] < 0 ? 2 ** 31 - 1 : config["shutdown-timeout"] * 1000;
  const late = setTimeout(() => {
    logger.error("requests did not end in time, they are cut");
    process.exit(1);
  }, timeoutMs);
  await engine.close();
  clearTimeout(late);
  roots[Symbol.dispose]();
  return 0;
}

const levelOf = (config: Config): LogLevel => (config.debug ? "debug" : (config["log-level"] as LogLevel));

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** Resolves at the first SIGTERM or SIGINT; at the third the process ends at once. */
function stopSignal(logger: Logger): Promise<string> {
  let count = 0;
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (++count === 3) {
          logger.error("third signal: the daemon ends at once");
          process.exit(1);
        }
        resolve(signal);
      });
    }
  });
}

/** What nobody caught. State is on disk and containers do not notice: an unknown condition ends the process. */
function catchCrashes(logger: Logger): void {
  process.on("unhandledRejection", (reason) =>
    logger.error("a promise was rejected and nobody looked", { cause: reason }),
  );
  process.on("uncaughtException", (error) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EPIPE" || code === "ECONNRESET") {
      logger.error("a connection broke where nobody looked", { cause: error }); // one client's trouble
      return;
    }
    logger.log("fatal", "uncaught exception, the daemon ends", { cause: error });
    process.exit(2);
  });
}

function tellServiceManager(state: string, logger: Logger): void {
  const socket = process.env["NOTIFY_SOCKET"];
  if (!socket) return;
  try {
    notifyServiceManager(socket, state);
  } catch (error) {
    logger.warn("the service manager could not be told", { state, error: errorMessage(error) });
  }
}
