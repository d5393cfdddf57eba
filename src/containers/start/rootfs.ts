import { lchown, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EngineError, errorMessage } from "../../base/errors.ts";
import { isMounted } from "../../kernel/mount.ts";
import type { Container } from "../container.ts";
import type { ContainerDeps } from "../deps.ts";
import type { MountPlan } from "../plan.ts";
import { removeBundle } from "./bundle.ts";
import { mountShm, shmFolder } from "./namespaces.ts";
import { hideSource, shownSource } from "./shown-source.ts";
import { pinSubpath, subpathTarget } from "./subpath.ts";

/** Where each mount's content is on the host, by target in the container. */
export type MountSources = ReadonlyMap<string, string>;

/** Mounts the container's root file system and finds what shall be mounted into it. Idempotent. */
export async function openRootfs(deps: ContainerDeps, container: Container): Promise<MountSources> {
  const { id, paths } = container;
  // only root gets to a container's files and FIFOs: no local user runs its set-user-id programs (CVE-2021-41091)
  await mkdir(paths.bundle, { recursive: true, mode: 0o700 });
  await mkdir(paths.rootfs, { recursive: true, mode: 0o755 });
  // Idempotent, and whole even when the create was cut between its row and its snapshot.
  await deps.snapshotter.prepare(id, container.chainIds);
  // a copy may have it mounted
  if (isMounted(paths.rootfs) || !deps.trees.attachRoot(id, paths.rootfs))
    await deps.snapshotter.mount(id, paths.rootfs);
  if (container.plan.namespaces.ipc === "shareable") {
    await mkdir(shmFolder(container), { recursive: true, mode: 0o700 });
    mountShm(container);
  }
  const sources = new Map<string, string>();
  for (const mount of container.plan.mounts) {
    const source = await sourceOf(deps, container, mount);
    if (source !== undefined) sources.set(mount.target, source);
  }
  return sources;
}

async function sourceOf(deps: ContainerDeps, container: Container, mount: MountPlan): Promise<string | undefined> {
  switch (mount.type) {
    case "bind":
      return shownSource(container, mount, await bindSource(deps, container, mount));
    case "volume":
      return shownSource(container, mount, await volumeSource(deps, container, mount));
    case "tmpfs":
      return undefined;
    case "image":
      return imageSource(deps, container, mount);
  }
}

async function bindSource(
  deps: ContainerDeps,
  container: Container,
  { source, createSource }: MountPlan & { type: "bind" },
): Promise<string> {
  if (
    await Bun.file(source)
      .stat()
      .then(
        () => true,
        () => false,
      )
  )
    return source;
  if (!createSource) {
    throw new EngineError(
      "invalid",
      `invalid mount config for type "bind": bind source path does not exist: ${source}`,
      { source },
    );
  }
  deps.settings.log("warn", "the source of a bind mount was missing: an empty folder was made", { source });
  const first = await mkdir(source, { recursive: true, mode: 0o755 });
  // whoever asked for the container owns what was made for it; dockerd leaves it to root (moby#13121)
  const { uid = 0, gid = 0 } = container.owner;
  for (let path = source; first !== undefined && path.length >= first.length; path = dirname(path))
    await lchown(path, uid, gid);
  return source;
}

async function volumeSource(
  deps: ContainerDeps,
  container: Container,
  mount: MountPlan & { type: "volume" },
): Promise<string> {
  const root = await deps.volumes.mount(mount.volume, container.id);
  if (mount.copy && mount.subpath === "")
    await deps.volumes.populate(mount.volume, container.paths.rootfs, mount.target);
  if (mount.subpath === "") return root;
  return pinSubpath(root, mount.subpath, subpathTarget(container.paths.bundle, mount.target), `volume ${mount.volume}`);
}

async function imageSource(
  deps: ContainerDeps,
  container: Container,
  mount: MountPlan & { type: "image" },
): Promise<string> {
  const image = deps.images.resolve(mount.source);
  const key = imageMountKey(container, mount);
  const target = join(container.paths.bundle, "images", key.slice(-12));
  await mkdir(target, { recursive: true, mode: 0o755 });
  await deps.snapshotter.prepare(key, image.chainIds);
  await deps.snapshotter.mount(key, target);
  if (mount.subpath === "") return target;
  return pinSubpath(
    target,
    mount.subpath,
    subpathTarget(container.paths.bundle, mount.target),
    `image ${mount.source}`,
  );
}

/** Snapshot key of an image mount: one per container and target. */
function imageMountKey(container: Container, mount: MountPlan): string {
  return `${container.id}-${new Bun.CryptoHasher("sha256").update(mount.target).digest("hex").slice(0, 12)}`;
}

/** Unmounts what openRootfs mounted and removes the bundle. Idempotent; the writable layer stays. */
export async function closeRootfs(deps: ContainerDeps, container: Container): Promise<void> {
  const { id, paths } = container;
  const { plan } = deps.records.find(id) ?? container; // a volume may have been renamed meanwhile
  await deps.snapshotter.unmount(paths.rootfs);
  for (const mount of plan.mounts) {
    if (mount.type === "bind" || mount.type === "volume") await hideSource(container, mount);
    if ("subpath" in mount && mount.subpath !== "")
      await deps.snapshotter.unmount(subpathTarget(paths.bundle, mount.target));
    if (mount.type === "volume") await deps.volumes.unmount(mount.volume, id);
    if (mount.type !== "image") continue;
    const key = imageMountKey(container, mount);
    await deps.snapshotter.unmount(join(paths.bundle, "images", key.slice(-12)));
    await deps.snapshotter.remove(key);
  }
  if (plan.namespaces.ipc === "shareable") await deps.snapshotter.unmount(shmFolder(container));
  try {
    await removeBundle(paths.bundle);
  } catch (error) {
    // A mount that hangs keeps the folder; the next start of the daemon takes it away.
    deps.settings.log("warn", "bundle not removed", { id, error: errorMessage(error) });
  }
}
