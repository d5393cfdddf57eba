import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CreateProcess } from "../../monitor/protocol.ts";
import type { Sandbox } from "../../networks/network.ts";
import type { OciSeccomp } from "../../security/seccomp/resolve.ts";
import type { OciProcess } from "../../spec/oci/runtime.ts";
import type { Container } from "../container.ts";
import type { ExecRequest } from "../containers.ts";
import type { ContainerDeps, Runtime } from "../deps.ts";
import { logTarget } from "../logs.ts";
import { cgroupsPath } from "../oci/cgroup.ts";
import { containerSpec } from "../oci/container-spec.ts";
import { readSpecHost } from "../oci/host.ts";
import { buildExecProcess } from "../oci/process.ts";
import { resolveUser } from "../oci/user.ts";
import { linkVariables, writeEtcFiles } from "./etc.ts";
import { joinedNamespace, shmPath } from "./namespaces.ts";
import type { MountSources } from "./rootfs.ts";

/** Writes the bundle: /etc files and config.json. Gives the filter whose compiled form may be kept. */
export async function writeBundle(
  deps: ContainerDeps,
  container: Container,
  made: { sandbox: Sandbox; sources: MountSources; runtime: Runtime },
): Promise<{ seccomp: OciSeccomp | undefined }> {
  const { namespaces } = container.plan;
  const { runtime, sandbox } = made;
  const pid = joinedNamespace(deps, namespaces.pid, "pid");
  const ipc = joinedNamespace(deps, namespaces.ipc, "ipc");
  const etc = writeEtcFiles(deps, container, sandbox);
  const { spec, seccomp, warnings } = await containerSpec(container, {
    namespacePaths: { network: sandbox.netnsPath, ...(pid && { pid }), ...(ipc && { ipc }) },
    sources: made.sources,
    shmPath: shmPath(deps, container),
    initPath: deps.settings.initPath,
    linkEnv: linkVariables(deps, container),
    dataRoot: deps.settings.dataRoot,
    ...(runtime.takesFilter && { compiledSeccomp: (plain) => deps.seccompCache.get(plain, seccompRuntime(runtime)) }),
  });
  for (const warning of warnings) deps.settings.log("warn", warning, { id: container.id });
  await Promise.all([
    etc,
    writeFile(join(container.paths.bundle, "config.json"), JSON.stringify(spec), { mode: 0o600 }),
  ]);
  return { seccomp };
}

/** Keeps the filter that the runtime compiled for this container, for the next ones. Beside the start, never in its way. */
export async function keepFilter(
  deps: ContainerDeps,
  id: string,
  runtime: Runtime,
  seccomp: OciSeccomp | undefined,
): Promise<void> {
  if (!seccomp || !runtime.takesFilter || deps.seccompCache.get(seccomp, seccompRuntime(runtime)) !== undefined) return;
  await deps.seccompCache.keep(seccomp, seccompRuntime(runtime), join(runtime.choice.root, id, "seccomp.bpf"));
}

function seccompRuntime({ version }: Runtime): { version: string; kernel: string; arch: string } {
  const { kernel, arch } = readSpecHost();
  return { version, kernel, arch };
}

/** What the monitor needs to run, or to adopt, a container. */
export function createProcess(deps: ContainerDeps, container: Container): CreateProcess {
  const { id, plan, state, paths } = container;
  const cgroup = cgroupsPath(id, plan.cgroupParent);
  return {
    id,
    run: state.run,
    runtime: deps.runtimes.get(plan.runtime).choice,
    bundle: paths.bundle,
    tty: plan.process.tty,
    openStdin: plan.process.openStdin,
    stdinOnce: plan.process.stdinOnce,
    size: plan.process.consoleSize,
    log: logTarget(container),
    memoryCgroup: join(deps.settings.cgroupVersion === 1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup", cgroup),
  };
}

/** The process of an exec, its user looked up in the running container. */
export async function execProcess(
  deps: ContainerDeps,
  container: Container,
  request: ExecRequest,
): Promise<OciProcess> {
  const { plan, paths } = container;
  const user = resolveUser(paths.rootfs, { user: request.user || plan.process.user, groups: plan.process.groups });
  return buildExecProcess(container, request, { user, host: readSpecHost(), linkEnv: linkVariables(deps, container) });
}
