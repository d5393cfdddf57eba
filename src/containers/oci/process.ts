import { EngineError } from "../../base/errors.ts";
import type { OciCapabilities, OciProcess } from "../../spec/oci/runtime.ts";
import { availableCapabilities } from "../../security/capabilities.ts";
import type { Container } from "../container.ts";
import type { ExecRequest } from "../containers.ts";
import type { ContainerPlan } from "../plan.ts";
import type { SpecHost } from "./host.ts";
import { limitOomScore, limitRlimits } from "./limits.ts";
import type { ResolvedUser } from "./user.ts";

/** Where our init lies in a container with `--init` (moby parity). */
export const initTarget = "/sbin/docker-init";

/** The container's own process. `linkEnv` comes behind the defaults and before what the user said. */
export function containerProcess(
  plan: ContainerPlan,
  options: { user: ResolvedUser; host: SpecHost; linkEnv: readonly string[]; warn: (text: string) => void },
): OciProcess {
  const { process, security } = plan;
  const { user, host, warn } = options;
  const rlimits = limitRlimits(process.rlimits, host, warn);
  return {
    terminal: process.tty,
    ...(process.tty && process.consoleSize
      ? { consoleSize: { height: process.consoleSize.rows, width: process.consoleSize.columns } }
      : {}),
    user: ids(user),
    args: process.init ? [initTarget, "--", ...process.args] : process.args,
    env: withHome(withLinks(process.env, options.linkEnv), user),
    cwd: safeCwd(process.cwd),
    capabilities: sets(security.capabilities),
    ...(rlimits.length > 0 ? { rlimits } : {}),
    noNewPrivileges: security.noNewPrivileges,
    ...(host.apparmor && security.apparmorProfile ? { apparmorProfile: security.apparmorProfile } : {}),
    oomScoreAdj: limitOomScore(process.oomScoreAdjust, host, warn),
  };
}

/**
 * A process joining a container: everything not said is the container's (moby parity). `user` is resolved from the
 * request's user, or from the container's when that is empty.
 */
export function buildExecProcess(
  container: Container,
  request: ExecRequest,
  options: { user: ResolvedUser; host: SpecHost; linkEnv?: readonly string[]; warn?: (text: string) => void },
): OciProcess {
  const { user, host, linkEnv = [], warn = () => {} } = options;
  const own = containerProcess(container.plan, { user, host, linkEnv, warn });
  const { consoleSize: _, ...base } = own;
  return {
    ...base,
    terminal: request.tty,
    ...(request.tty && request.size ? { consoleSize: { height: request.size.rows, width: request.size.columns } } : {}),
    args: request.args,
    env: withHome(execEnv(container.plan, request, linkEnv), user),
    cwd: safeCwd(request.workingDir || container.plan.process.cwd),
    capabilities: request.privileged ? sets(availableCapabilities()) : base.capabilities,
  };
}

/** The container's environment with the exec's rows put over it; a bare name takes one away. TERM comes with a TTY. */
function execEnv(plan: ContainerPlan, request: ExecRequest, linkEnv: readonly string[]): string[] {
  const env = new Map(withLinks(plan.process.env, linkEnv).map((row) => [nameOf(row), row]));
  if (request.tty && !env.has("TERM")) env.set("TERM", "TERM=xterm");
  for (const row of request.env) {
    if (nameOf(row) === "" || row.includes("\0"))
      throw new EngineError("invalid", `invalid environment variable: ${row}`);
    if (row.includes("=")) env.set(nameOf(row), row);
    else env.delete(row);
  }
  return [...env.values()];
}

const nameOf = (row: string): string => row.split("=", 1)[0] ?? "";

function withLinks(env: readonly string[], links: readonly string[]): readonly string[] {
  if (links.length === 0) return env;
  const own = new Set(env.map(nameOf));
  return [...env, ...links.filter((row) => !own.has(nameOf(row)))];
}

function withHome(env: readonly string[], user: ResolvedUser): readonly string[] {
  return env.some((row) => row.startsWith("HOME=")) ? env : [...env, `HOME=${user.home}`];
}

const ids = ({ uid, gid, additionalGids }: ResolvedUser): OciProcess["user"] => ({ uid, gid, additionalGids });

const sets = (capabilities: readonly string[]): OciCapabilities => ({
  bounding: capabilities,
  effective: capabilities,
  permitted: capabilities,
});

/**
 * Refuses a working directory reached through descriptors or roots of processes: with a descriptor the runtime has
 * open on the host, it would lie outside the container (CVE-2024-21626).
 */
export function safeCwd(cwd: string): string {
  if (!cwd.startsWith("/"))
    throw new EngineError("invalid", `the working directory '${cwd}' is invalid, it needs to be an absolute path`, {
      cwd,
    });
  if (/^\/+proc\/+.*\/(?:fd|fdinfo|cwd|root|exe|map_files)(?:\/|$)/.test(cwd) || /^\/+dev\/+fd(?:\/|$)/.test(cwd)) {
    throw new EngineError("invalid", `the working directory '${cwd}' is invalid, it leads out of the container`, {
      cwd,
    });
  }
  return cwd;
}
