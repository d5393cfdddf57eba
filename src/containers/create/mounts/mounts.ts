import { stat } from "node:fs/promises";
import { EngineError } from "../../../base/errors.ts";
import type { ContainerConfig, HostConfig } from "../../../spec/engine/types.gen.ts";
import type { Container } from "../../container.ts";
import type { MountPlan } from "../../plan.ts";
import { parseBind, parseVolumesFrom } from "./bind-spec.ts";
import type { CreateContext } from "../defaults.ts";
import { badMount, parseMount } from "./mount-spec.ts";
import { cleanPath } from "../process.ts";

/**
 * Everything mounted into a container, one per target: volumes-from, then Binds, then Mounts, then Tmpfs, and last
 * the volumes of the image for targets that are still free (moby parity). Sorted so that a parent comes first.
 */
export function planMounts(config: ContainerConfig, host: HostConfig, context: CreateContext): MountPlan[] {
  const byTarget = new Map<string, MountPlan>();
  for (const row of host.VolumesFrom ?? []) {
    for (const mount of mountsFrom(row, context)) byTarget.set(mount.target, mount);
  }
  const own = new Set<string>();
  const add = (mount: MountPlan, target = mount.target): void => {
    if (own.has(mount.target)) throw new EngineError("invalid", `Duplicate mount point: ${target}`, { target });
    own.add(mount.target);
    byTarget.set(mount.target, mount);
  };
  const tmpfs = Object.entries(host.Tmpfs ?? {}).map(([target, options]) => tmpfsOf(target, options));
  const tmpfsTargets = new Set(tmpfs.map((mount) => mount.target));
  for (const row of host.Binds ?? []) {
    const mount = overDataRoot(parseBind(row, host.VolumeDriver ?? ""), context.defaults.dataRoot);
    if (tmpfsTargets.has(mount.target))
      throw new EngineError("invalid", `Duplicate mount point: ${mount.target}`, { target: mount.target });
    add(mount);
  }
  for (const wire of host.Mounts ?? [])
    add(overDataRoot(parseMount(wire), context.defaults.dataRoot), wire.Target ?? "");
  for (const mount of tmpfs) add(mount);
  for (const path of Object.keys(config.Volumes ?? {})) {
    const target = volumeTarget(path);
    if (!byTarget.has(target)) byTarget.set(target, anonymousVolume(target, host.VolumeDriver ?? ""));
  }
  return [...byTarget.values()].sort((a, b) => depth(a.target) - depth(b.target) || (a.target < b.target ? -1 : 1));
}

/**
 * Throws Docker's text when a bind that must not make its source has none: `--mount` is that strict. For others gives
 * the warnings that a folder will be made.
 */
export async function checkBindSources(mounts: readonly MountPlan[]): Promise<string[]> {
  const warnings: string[] = [];
  for (const mount of mounts) {
    if (mount.type !== "bind") continue;
    const missing = await stat(mount.source).then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === "ENOENT" || error.code === "ENOTDIR",
    );
    if (!missing) continue;
    if (!mount.createSource) badMount("bind", `bind source path does not exist: ${mount.source}`);
    warnings.push(`The bind source ${mount.source} does not exist: an empty folder will be made there.`);
  }
  return warnings;
}

const depth = (path: string): number => path.split("/").length;

function mountsFrom(row: string, context: CreateContext): MountPlan[] {
  const { ref, readOnly } = parseVolumesFrom(row);
  const from = findForVolumes(ref, context);
  return from.mounts.flatMap((view) => {
    const plan = from.plan.mounts.find((mount) => mount.target === view.target);
    if (!plan) return [];
    const mount = { ...plan, readOnly: plan.readOnly || readOnly };
    // by its real name now, never filled again from this image, and not ours to remove
    return [
      mount.type === "volume"
        ? { ...mount, volume: view.name, driver: view.driver, anonymous: false, copy: false }
        : mount,
    ];
  });
}

function findForVolumes(ref: string, context: CreateContext): Container {
  try {
    return context.containers(ref);
  } catch (error) {
    // 404 from create means a missing image to Docker's clients: they would pull
    if (error instanceof EngineError && error.kind === "not-found")
      throw new EngineError("invalid", error.message, { ref }, { cause: error });
    throw error;
  }
}

function tmpfsOf(target: string, options: string): MountPlan {
  const path = cleanPath(target);
  if (path === "/") throw new EngineError("invalid", "invalid specification: destination can't be '/'", { target });
  if (!target.startsWith("/"))
    throw new EngineError("invalid", `invalid mount path: '${target}' mount path must be absolute`, { target });
  const words = options === "" ? [] : options.split(",");
  return {
    type: "tmpfs",
    target: path,
    readOnly: words.includes("ro"),
    mode: "",
    anonymous: false,
    sizeBytes: 0,
    tmpfsMode: 0,
    options: words,
    listed: false,
  };
}

/** An image's VOLUME comes from strangers: whatever it says, the target is an absolute path below the root. */
function volumeTarget(path: string): string {
  const target = cleanPath(`/${path}`);
  if (target === "/" || path.includes("\0"))
    throw new EngineError("invalid", "invalid specification: destination can't be '/'", { path });
  return target;
}

const anonymousVolume = (target: string, driver: string): MountPlan => ({
  type: "volume",
  target,
  readOnly: false,
  mode: "",
  anonymous: true,
  volume: "",
  driver,
  labels: {},
  options: {},
  copy: true,
  subpath: "",
});

/**
 * Settles the propagation of a bind. One that holds the data root sees every mount the engine makes there. With rslave they leave the container when
 * they leave the host; else each would stay busy (moby parity).
 */
function overDataRoot(mount: MountPlan, dataRoot: string): MountPlan {
  if (mount.type !== "bind") return mount;
  const within = isWithin(dataRoot, mount.source);
  if (mount.propagation === "") return { ...mount, propagation: within ? "rslave" : "rprivate" };
  if (!within) return mount;
  if (mount.propagation === "rslave" || mount.propagation === "rshared") return mount;
  const why = `must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root`;
  throw new EngineError(
    "invalid",
    `invalid mount config: ${why}, daemon root: "${dataRoot}", bind mount source: "${mount.source}", propagation: "${mount.propagation}"`,
  );
}

const isWithin = (path: string, folder: string): boolean =>
  folder === "/" || path === folder || path.startsWith(`${folder}/`);
