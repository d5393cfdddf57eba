import { existsSync, readFileSync } from "node:fs";
import { basename, delimiter, join } from "node:path";
import { EngineError, errorMessage } from "../base/errors.ts";
import type { Runtime, Runtimes } from "../containers/deps.ts";
import { openRuntime } from "../runtime/drivers.ts";
import { invokeForOutput } from "../runtime/invoke.ts";
import type { Config } from "./config-table.ts";

/** The runtimes of this host, for containers and for info. */
export interface FoundRuntimes extends Runtimes {
  readonly names: readonly string[];
  readonly default: string;
  readonly all: ReadonlyMap<string, Runtime>;
  /** Why the default is not crun; empty when it is. */
  readonly reason: string;
}

const searched = [
  ...(process.env["PATH"] ?? "").split(delimiter),
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
];
const probeTimeoutMs = 10_000;

/** Full path of a program, or undefined. A path is taken as it is. */
export function findProgram(name: string): string | undefined {
  if (name.includes("/")) return existsSync(name) ? name : undefined;
  return searched
    .filter(Boolean)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/**
 * Looks for crun, runc and the configured runtimes and asks each for its version. The default is the configured one,
 * else crun, else runc with the reason. A runtime that is missing fails the container that wants it, not the daemon.
 */
export async function findRuntimes(
  config: Config,
  execRoot: string,
  log: (message: string, fields: Record<string, unknown>) => void,
): Promise<FoundRuntimes> {
  const wanted: Record<string, { path: string; args: readonly string[] }> = {
    crun: { path: "crun", args: [] },
    runc: { path: "runc", args: [] },
    ...config["add-runtime"],
  };
  const failures = new Map<string, string>();
  const probed = Object.entries(wanted).map(async ([name, { path, args }]): Promise<[string, Runtime] | undefined> => {
    try {
      return [name, await probe(name, path, args, execRoot)];
    } catch (error) {
      failures.set(name, errorMessage(error));
      return undefined;
    }
  });
  const all = new Map((await Promise.all(probed)).filter((entry) => entry !== undefined));
  for (const [name, reason] of failures) log("runtime cannot be used", { runtime: name, reason });

  const crunTrouble = failures.get("crun") ?? hybridTrouble();
  const chosen = config["default-runtime"] || (crunTrouble === "" ? "crun" : all.has("runc") ? "runc" : "crun");
  const reason =
    config["default-runtime"] === "" && chosen !== "crun"
      ? `the default runtime is ${chosen} because crun cannot be used: ${crunTrouble}`
      : "";
  return {
    all,
    names: [...all.keys()],
    default: chosen,
    reason,
    get(asked) {
      const name = asked || chosen;
      const found = all.get(name);
      if (found !== undefined) return found;
      if (!(name in wanted))
        throw new EngineError("invalid", `unknown or invalid runtime name: ${name}`, { runtime: name }); // moby's text
      throw new EngineError("invalid", `runtime ${name} cannot be used: ${failures.get(name) ?? "it was not found"}`, {
        runtime: name,
      });
    },
  };
}

async function probe(name: string, program: string, args: readonly string[], execRoot: string): Promise<Runtime> {
  const path = findProgram(program);
  if (path === undefined)
    throw new Error(
      `${program} was not found (install Debian's package ${basename(program)}, or give its path with --add-runtime)`,
    );
  const version = (await invokeForOutput(path, ["--version"], probeTimeoutMs)).split("\n")[0]?.trim() ?? "";
  const choice = { name, path, args, root: join(execRoot, "runtime", name) };
  return { choice, driver: openRuntime(choice), version, takesFilter: /^crun\b/.test(version) };
}

/** crun's refusal: "cgroups in hybrid mode not supported", when controllers are left to the version 2 tree. */
function hybridTrouble(): string {
  const list = "/sys/fs/cgroup/unified/cgroup.controllers";
  const left = existsSync(list) ? readFileSync(list, "utf8").trim() : "";
  return left === ""
    ? ""
    : `this hybrid cgroup host leaves ${left.replaceAll(" ", ", ")} to cgroup v2; to use crun: mkdir /sys/fs/cgroup/${left.split(" ")[0]} and mount -t cgroup -o ${left.split(" ")[0]} cgroup there`;
}
