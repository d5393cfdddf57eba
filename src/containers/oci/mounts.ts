import { EngineError } from "../../base/errors.ts";
import type { OciMount } from "../../spec/oci/runtime.ts";
import type { ContainerPlan, MountPlan } from "../plan.ts";
import type { SpecHost } from "./host.ts";
import { initTarget } from "./process.ts";
import type { SourceMounts } from "./source-mounts.ts";
import { tmpfsOptions } from "./tmpfs.ts";

export interface MountInput {
  readonly plan: ContainerPlan;
  /** Host path of what is mounted, by target; tmpfs has none. */
  readonly sources: ReadonlyMap<string, string>;
  /** Host paths of the files the engine writes; empty = not mounted. */
  readonly files: { readonly resolv: string; readonly hostname: string; readonly hosts: string };
  /** Host folder that is /dev/shm: shareable, another container's, or the host's. Empty = one of its own. */
  readonly shmPath: string;
  readonly initPath: string;
  readonly host: SpecHost;
  readonly sourceMounts: SourceMounts;
}

const quiet = ["nosuid", "noexec", "nodev"];

/** What every container has, in Docker's order. */
function basicMounts({ plan, shmPath, sourceMounts }: MountInput): OciMount[] {
  const { privileged, writableCgroups } = plan.security;
  const mounts: OciMount[] = [
    { destination: "/proc", type: "proc", source: "proc", options: quiet },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: privileged ? quiet : [...quiet, "ro"] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: writableCgroups ? quiet : ["ro", ...quiet],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: quiet },
  ];
  if (plan.namespaces.ipc === "none") return mounts;
  const ownShm: OciMount = {
    destination: "/dev/shm",
    type: "tmpfs",
    source: "shm",
    options: [...quiet, "mode=1777", `size=${plan.shmSizeBytes}`],
  };
  return [
    ...mounts,
    shmPath === ""
      ? ownShm
      : bind("/dev/shm", shmPath, ["rbind", ...(sourceMounts.flags.get("/dev/shm") ?? []), "rprivate"]),
  ];
}

/**
 * All mounts. A mount of the user takes the place of ours at the same target, and one at /dev those below it as well;
 * what lies deeper comes later.
 */
export function buildMounts(input: MountInput): OciMount[] {
  const { plan, files, initPath } = input;
  const own = new Set(plan.mounts.map((mount) => mount.target));
  const basic = basicMounts(input).filter(
    ({ destination }) => !own.has(destination) && !(own.has("/dev") && destination.startsWith("/dev/")),
  );
  const ownFiles = (
    [
      ["/etc/resolv.conf", files.resolv],
      ["/etc/hostname", files.hostname],
      ["/etc/hosts", files.hosts],
    ] as const
  )
    .filter(([target, source]) => source !== "" && !own.has(target))
    .map(([target, source]) => bind(target, source, ["rbind", ...(plan.readOnlyRootfs ? ["ro"] : []), "rprivate"]));
  const users = plan.mounts.map((mount) => userMount(mount, input));
  const init = plan.process.init ? [bind(initTarget, initPath, ["bind", "ro"])] : [];
  return [...basic, ...byDepth([...users, ...ownFiles]), ...init];
}

const bind = (destination: string, source: string, options: string[]): OciMount => ({
  destination,
  type: "bind",
  source,
  options,
});

function userMount(mount: MountPlan, { sources, host, sourceMounts }: MountInput): OciMount {
  const { target } = mount;
  if (mount.type === "tmpfs")
    return { destination: target, type: "tmpfs", source: "tmpfs", options: tmpfsOptions(mount) };
  const source = sources.get(target);
  if (source === undefined) throw new Error(`no source for the mount at ${target}`);
  const flags = sourceMounts.flags.get(target) ?? [];
  const deep = host.recursiveReadOnly && !sourceMounts.files.has(target);
  const recursive = deep && (mount.type !== "bind" || mount.readOnlyRecursive);
  if (mount.type === "bind" && mount.readOnlyForced && !host.recursiveReadOnly)
    throw new EngineError("invalid", "recursively read-only mounts need a kernel of 5.12 or later", { target });
  // `rro` holds for mounts below the source as well
  const access = mount.readOnly ? [recursive ? "rro" : "ro"] : [];
  const kept = mount.readOnly ? flags.filter((flag) => flag !== "ro") : flags;
  const privately = mount.type !== "bind" || sourceMounts.privateTargets.has(target);
  const propagation = privately ? "rprivate" : mount.propagation || "rprivate";
  const kind = mount.type === "bind" && !mount.recursive ? "bind" : "rbind";
  return bind(target, source, [kind, ...access, ...kept, propagation]);
}

function byDepth(mounts: readonly OciMount[]): OciMount[] {
  const depth = ({ destination }: OciMount): number => destination.split("/").length;
  return mounts.toSorted((a, b) => depth(a) - depth(b));
}
