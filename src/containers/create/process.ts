import { posix } from "node:path";
import { timerMs } from "../../base/timer.ts";
import { EngineError } from "../../base/errors.ts";
import type { ContainerConfig, HostConfig } from "../../spec/engine/types.gen.ts";
import { parseSignal } from "../../spec/signals.ts";
import type { ProcessPlan } from "../plan.ts";
import type { CreateDefaults } from "./defaults.ts";
import { envName } from "./merge-image.ts";
import { planUlimits } from "./resources/ulimits.ts";

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const sigterm = 15;

/** The process of a container. `config` is merged with the image and `hostname` settled. */
export function planProcess(
  config: ContainerConfig,
  host: HostConfig,
  hostname: string,
  defaults: CreateDefaults,
): ProcessPlan {
  const args = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (args.length === 0) throw new EngineError("invalid", "no command specified");
  const tty = config.Tty === true;
  const [rows = 0, columns = 0] = host.ConsoleSize ?? [];
  return {
    args: args.map((arg) => withoutNul(arg, "argument")),
    env: containerEnv(hostname, tty, config.Env ?? []),
    cwd: config.WorkingDir || "/",
    user: config.User ?? "",
    groups: host.GroupAdd ?? [],
    tty,
    openStdin: config.OpenStdin === true,
    stdinOnce: config.StdinOnce === true,
    consoleSize: rows > 0 && columns > 0 ? { rows, columns } : null,
    stopSignal: config.StopSignal ? parseSignal(config.StopSignal) : sigterm,
    stopTimeoutSeconds: stopTimeout(config.StopTimeout ?? defaults.stopTimeoutSeconds),
    // in a shared pid namespace there is an init already (moby parity)
    init: !host.PidMode && (host.Init ?? defaults.init),
    oomScoreAdjust: host.OomScoreAdj ?? 0,
    rlimits: planUlimits(host.Ulimits ?? [], defaults.ulimits),
  };
}

/** Negative = however long it takes. */
const stopTimeout = (seconds: number): number => (seconds < 0 ? -1 : timerMs(seconds * 1000) / 1000);

/** Throws Docker's texts for rows without a name, and for bytes that no process could be given. */
export function checkEnv(rows: readonly string[]): void {
  for (const row of rows) {
    if (envName(row) === "") throw new EngineError("invalid", `invalid environment variable: ${row}`);
    withoutNul(row, "environment variable");
  }
}

/** The cleaned working directory. Throws for a relative one. */
export function checkWorkingDir(path: string): string {
  if (path === "") return path;
  if (!path.startsWith("/"))
    throw new EngineError("invalid", `the working directory '${path}' is invalid, it needs to be an absolute path`);
  return cleanPath(withoutNul(path, "working directory"));
}

/** Go's filepath.Clean: no trailing slash. */
export const cleanPath = (path: string): string => posix.normalize(path).replace(/(.)\/+$/, "$1");

/** PATH, HOSTNAME, TERM, then the rows; a row replaces one of its name in place, a bare name removes it. */
function containerEnv(hostname: string, tty: boolean, rows: readonly string[]): string[] {
  const env = new Map([
    ["PATH", `PATH=${defaultPath}`],
    ["HOSTNAME", `HOSTNAME=${hostname}`],
  ]);
  if (tty) env.set("TERM", "TERM=xterm");
  for (const row of rows) {
    if (row.includes("=")) env.set(envName(row), row);
    else env.delete(row);
  }
  return [...env.values()];
}

function withoutNul(text: string, what: string): string {
  // execve(2) would cut it silently
  if (text.includes("\0")) throw new EngineError("invalid", `invalid ${what}: contains a NUL byte`);
  return text;
}
