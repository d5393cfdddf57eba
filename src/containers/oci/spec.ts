import { parseProfile } from "../../security/seccomp/profile.ts";
import { defaultProfile } from "../../security/seccomp/default-profile.ts";
import { type OciSeccomp, resolveSeccomp } from "../../security/seccomp/resolve.ts";
import type { OciSpec } from "../../spec/oci/runtime.ts";
import type { Container } from "../container.ts";
import type { ContainerPlan } from "../plan.ts";
import { buildResources, cgroupsPath } from "./cgroup.ts";
import { defaultDeviceRules, type GatheredDevices } from "./devices.ts";
import type { SpecHost } from "./host.ts";
import { buildMounts } from "./mounts.ts";
import { buildNamespaces, type NamespacePaths } from "./namespaces.ts";
import { containerProcess } from "./process.ts";
import type { SourceMounts } from "./source-mounts.ts";
import { buildSysctls } from "./sysctls.ts";
import type { ResolvedUser } from "./user.ts";

export interface SpecInput {
  readonly container: Container;
  readonly user: ResolvedUser;
  readonly namespacePaths: NamespacePaths;
  /** Host paths of mounts by target, from the opened rootfs. */
  readonly sources: ReadonlyMap<string, string>;
  /** See MountInput. */
  readonly shmPath: string;
  /** Static init on the host; needed with `plan.process.init`. */
  readonly initPath: string;
  readonly linkEnv: readonly string[];
  readonly devices: GatheredDevices;
  readonly sourceMounts: SourceMounts;
  readonly host: SpecHost;
  /** From `buildSeccomp()`, so that the caller can look its compiled form up. */
  readonly seccomp: OciSeccomp | undefined;
  /** Base64 of the compiled filter for crun; the plain section stays, for a runtime that does not know it. */
  readonly seccompBpf?: string | undefined;
}

/** The OCI runtime spec of a container. Pure: all facts come with the input. Warnings are for the log. */
export function buildSpec(input: SpecInput): { spec: OciSpec; warnings: string[] } {
  const { container, host, devices, sourceMounts, seccomp } = input;
  const { plan, paths } = container;
  const warnings: string[] = [];
  const hostNetwork = plan.network.mode === "host";
  const spec: OciSpec = {
    // crun 1.8 refuses 1.2 and later
    ociVersion: "1.0.2",
    process: containerProcess(plan, {
      user: input.user,
      host,
      linkEnv: input.linkEnv,
      warn: (text) => warnings.push(text),
    }),
    root: { path: paths.rootfs, readonly: plan.readOnlyRootfs },
    ...(plan.namespaces.uts === "private" ? { hostname: plan.hostname } : {}),
    mounts: buildMounts({
      plan,
      sources: input.sources,
      files: { resolv: paths.resolv, hostname: paths.hostname, hosts: paths.hosts },
      shmPath: input.shmPath,
      initPath: input.initPath,
      host,
      sourceMounts,
    }),
    ...annotations(plan, input.seccompBpf),
    linux: {
      namespaces: buildNamespaces(plan, hostNetwork ? { ...input.namespacePaths, network: "" } : input.namespacePaths),
      devices: devices.nodes,
      resources: {
        devices: devices.all ? devices.rules : [...defaultDeviceRules, ...devices.rules],
        ...buildResources(plan.resources, host, devices.numbers),
      },
      cgroupsPath: cgroupsPath(container.id, plan.cgroupParent),
      sysctl: buildSysctls(plan, host),
      ...(seccomp ? { seccomp } : {}),
      ...(sourceMounts.rootfs ? { rootfsPropagation: sourceMounts.rootfs } : {}),
      maskedPaths: plan.security.maskedPaths,
      readonlyPaths: plan.security.readonlyPaths,
    },
  };
  return { spec, warnings };
}

const resolved = new Map<string, OciSeccomp | undefined>();
const mostResolved = 64; // profiles times capability sets in use at once

/** The container's seccomp filter in plain form; undefined = none. The same object for the same wish. */
export function buildSeccomp(
  { security }: ContainerPlan,
  host: Pick<SpecHost, "arch" | "kernel">,
): OciSeccomp | undefined {
  const { seccomp, capabilities } = security;
  if (seccomp.kind === "unconfined") return undefined;
  const text = seccomp.kind === "profile" ? seccomp.profile : "";
  const key = [host.arch, host.kernel, ...capabilities.toSorted(), text].join(" ");
  if (!resolved.has(key)) {
    if (resolved.size >= mostResolved) resolved.clear();
    const profile = seccomp.kind === "default" ? defaultProfile : parseProfile(text);
    resolved.set(key, resolveSeccomp(profile, { arch: host.arch, kernel: host.kernel, capabilities }));
  }
  return resolved.get(key);
}

/** Annotations steer runtimes: `run.oci.*` is crun's own language, and only this engine speaks it. */
function annotations(plan: ContainerPlan, bpf: string | undefined): { annotations?: Record<string, string> } {
  const rows = Object.entries(plan.annotations).filter(([key]) => !key.startsWith("run.oci."));
  if (bpf !== undefined) rows.push(["run.oci.seccomp_bpf_data", bpf]);
  return rows.length > 0 ? { annotations: Object.fromEntries(rows) } : {};
}
