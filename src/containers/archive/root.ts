import { closeSync, openSync, statSync } from "node:fs";
import { posix } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { SyscallError } from "../../kernel/call.ts";
import { ensureWorkdir } from "../oci/workdir.ts";
import { bindMount, mountFlags, remount } from "../../kernel/mount.ts";
import { openInRoot, openRoot } from "../../kernel/openat2.ts";
import type { Container } from "../container.ts";
import { type ContainerDeps, lockTimeoutMs } from "../deps.ts";
import { closeRootfs, openRootfs } from "../start/rootfs.ts";
import { isLive } from "../books/state.ts";
import { exitWritten } from "../has-ended.ts";
import type { ContainerPlan } from "../plan.ts";
import type { ContainerRoot } from "./held-trees.ts";

/**
 * Opens the file tree of a container for as long as `work` runs. A container that runs is entered through its own
 * mount namespace, so nothing is mounted for it; of one that does not run, the tree is held. Its lock is needed only
 * until the tree is open: it may be started, or removed, while `work` goes on.
 */
export async function withRoot<T>(
  deps: ContainerDeps,
  ref: string,
  work: (root: ContainerRoot, container: Container) => Promise<T>,
): Promise<T> {
  const container = deps.records.get(ref);
  const live = isLive(container.state) ? openLive(container) : undefined;
  await using root = live ?? (await openTree(deps, container.id));
  return await work(root, deps.records.find(container.id) ?? container);
}

async function openTree(deps: ContainerDeps, id: string): Promise<ContainerRoot & AsyncDisposable> {
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  for (;;) {
    const live = deps.records.get(id);
    const settling = deps.activity.settled(id);
    if (isLive(live.state)) {
      // It was started while we waited, or its end is not written down yet.
      const root = openLive(live);
      if (root) return root;
      if (!(await exitWritten(deps, live)))
        throw new EngineError("conflict", `container ${id} is about to end`, { id });
    } else if (settling) await settling;
    else break;
  }
  return deps.trees.take(id) ?? (await holdTree(deps, deps.records.get(id)));
}

/** Mounts the root with its volumes, takes the whole as a detached tree, and unmounts. */
async function holdTree(deps: ContainerDeps, container: Container): Promise<ContainerRoot & AsyncDisposable> {
  const { id, plan, paths } = container;
  // Takes the volumes' mounts with the root's: by their paths, links of the image would lead to mounts of the host.
  await using mounted = new AsyncDisposableStack();
  mounted.defer(() => closeRootfs(deps, container));
  const sources = await openRootfs(deps, container);
  for (const { target, readOnly } of plan.mounts) {
    const source = sources.get(target);
    if (source !== undefined) mountVolume(paths.rootfs, { target, source, readOnly });
  }
  if (plan.readOnlyRootfs) remount(paths.rootfs, mountFlags.bind | mountFlags.readOnly);
  fault("cp.mounted");
  // what drivers have mounted stays until the tree goes: one that was mounted again beside it would be another
  const user = `${id}-cp`;
  const letGo = async (): Promise<void> => {
    // by the names of now: a volume may have been renamed meanwhile
    for (const volume of volumesOf(deps.records.find(id)?.plan ?? plan)) await deps.volumes.unmount(volume, user);
  };
  for (const volume of volumesOf(plan)) await deps.volumes.mount(volume, user);
  try {
    return deps.trees.keep(id, paths.rootfs, letGo);
  } catch (error) {
    await letGo();
    throw error;
  }
}

const volumesOf = ({ mounts }: ContainerPlan): string[] =>
  mounts.flatMap((mount) => (mount.type === "volume" ? [mount.volume] : []));

/** The tree as the container's init sees it; undefined when that has ended. */
function openLive({ state }: Container): (ContainerRoot & AsyncDisposable) | undefined {
  const path = `/proc/${state.pid}/root`;
  try {
    const fd = openRoot(path);
    return { path, fd, [Symbol.asyncDispose]: async () => closeSync(fd) };
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "ENOENT" || error.code === "ESRCH")) return undefined;
    throw error;
  }
}

/** Mounts a source over its target inside a root; the target is walked by the kernel and pinned by a descriptor. */
function mountVolume(
  rootfs: string,
  { target, source, readOnly }: { target: string; source: string; readOnly: boolean },
): void {
  const isFolder = statSync(source).isDirectory();
  ensureWorkdir(rootfs, isFolder ? target : posix.dirname(target), 0, 0);
  const rootFd = openRoot(rootfs);
  try {
    if (!isFolder) ensureFile(rootFd, target);
    onPath(rootFd, target, (place) => bindMount(source, place));
    // opened again: only now the path is the mount
    if (readOnly) onPath(rootFd, target, (place) => remount(place, mountFlags.bind | mountFlags.readOnly));
  } finally {
    closeSync(rootFd);
  }
}

/** An empty file for a file to be mounted on, where nothing is. */
function ensureFile(rootFd: number, target: string): void {
  try {
    onPath(rootFd, target, () => undefined);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "ENOENT") throw error;
    onPath(rootFd, posix.dirname(target), (folder) =>
      closeSync(openSync(`${folder}/${posix.basename(target)}`, "wx", 0o644)),
    );
  }
}

/** Lets `work` use a path inside a root by the descriptor that the kernel found for it. */
function onPath(rootFd: number, path: string, work: (place: string) => void): void {
  const fd = openInRoot(rootFd, path);
  try {
    work(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}
