import type { OciSeccomp } from "../../security/seccomp/resolve.ts";
import type { OciSpec } from "../../spec/oci/runtime.ts";
import type { Container } from "../container.ts";
import { gatherDevices } from "./devices.ts";
import { readSpecHost } from "./host.ts";
import type { NamespacePaths } from "./namespaces.ts";
import { refuseUnsafeRootfs } from "./rootfs-guard.ts";
import { gatherSourceMounts } from "./source-mounts.ts";
import { buildSeccomp, buildSpec } from "./spec.ts";
import { resolveUser } from "./user.ts";
import { ensureWorkdir } from "./workdir.ts";

export interface ContainerSpecInput {
  readonly namespacePaths: NamespacePaths;
  readonly sources: ReadonlyMap<string, string>;
  /** Host folder for /dev/shm; empty = a tmpfs of the container's own. */
  readonly shmPath: string;
  readonly initPath: string;
  readonly linkEnv: readonly string[];
  readonly dataRoot: string;
  /** Looks a compiled filter up; give it only for runtimes that take one (crun). */
  readonly compiledSeccomp?: (seccomp: OciSeccomp) => string | undefined;
}

/**
 * Looks up at the host and in the mounted rootfs what the spec needs, makes the working directory, and builds it.
 * `seccomp` is the plain filter, for keeping its compiled form once the runtime has made one.
 */
export async function containerSpec(
  container: Container,
  input: ContainerSpecInput,
): Promise<{ spec: OciSpec; seccomp: OciSeccomp | undefined; warnings: string[] }> {
  const { plan, paths } = container;
  const host = readSpecHost();
  refuseUnsafeRootfs(paths.rootfs);
  const user = resolveUser(paths.rootfs, { user: plan.process.user, groups: plan.process.groups });
  ensureWorkdir(paths.rootfs, plan.process.cwd, 0, 0);
  const sources = input.shmPath === "" ? input.sources : new Map([...input.sources, ["/dev/shm", input.shmPath]]);
  const [devices, sourceMounts] = await Promise.all([
    gatherDevices(plan),
    gatherSourceMounts(plan, sources, input.dataRoot),
  ]);
  const seccomp = buildSeccomp(plan, host);
  const { spec, warnings } = buildSpec({
    container,
    user,
    devices,
    sourceMounts,
    host,
    seccomp,
    namespacePaths: input.namespacePaths,
    sources: input.sources,
    shmPath: input.shmPath,
    initPath: input.initPath,
    linkEnv: input.linkEnv,
    seccompBpf: seccomp && input.compiledSeccomp?.(seccomp),
  });
  return { spec, seccomp, warnings };
}
