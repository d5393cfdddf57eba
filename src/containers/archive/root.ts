import { closeSync, openSync, statSync } from "node:fs";
import { posix } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { ensureWorkdir } from "../oci/workdir.ts";
import { bindMount, mountFlags, remount } from "../../kernel/mount.ts";
import { openInRoot, openRoot } from "../../kernel/openat2.ts";
import type { Container } from "../container.ts";
import { type ContainerDeps, lockTimeoutMs } from "../deps.ts";
import { closeRootfs, openRootfs } from "../start/rootfs.ts";
import { isLive } from "../books/state.ts";
import { exitWritten } from "../has-ended.ts";

/** A container's file tree as its processes see it, volumes included. */
export interface ContainerRoot {
  /** A path whose root folder is the container's; only the kernel walks below it. */
  readonly path: string;
  /** Descriptor of it. */
  readonly fd: number;
}

/**
 * Opens the file tree of a container for as long as `work` runs. A container that runs is entered through its own
 * mount namespace, so nothing is mounted for it; one that does not run is mounted with its volumes meanwhile, under
 * its lock.
 */
export async function withRoot<T>(
  deps: ContainerDeps,
  ref: string,
  work: (root: ContainerRoot, container: Container) => Promise<T>,
): Promise<T> {
  const container = deps.records.get(ref);
  const { id } = container;
  if (isLive(container.state)) {
    const root = openLive(container);
    if (root) return withOpened(root, () => work(root, container));
  }
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  for (;;) {
    const live = deps.records.get(id);
    const settling = deps.activity.settled(id);
    if (isLive(live.state)) {
      // It was started while we waited, or its end is not written down yet.
      const root = openLive(live);
      if (root) return await withOpened(root, () => work(root, live));
      if (!(await exitWritten(deps, live)))
        throw new EngineError("conflict", `container ${id} is about to end`, { id });
    } else if (settling) await settling;
    else break;
  }
  const now = deps.records.get(id);
  await using undo = new AsyncDisposableStack();
  // Takes the volumes' mounts with the root's: by their paths, links of the image would lead to mounts of the host.
  undo.defer(() => closeRootfs(deps, now));
  const sources = await openRootfs(deps, now);
  for (const { target, readOnly } of now.plan.mounts) {
    const source = sources.get(target);
    if (source !== undefined) mountVolume(now.paths.rootfs, { target, source, readOnly });
  }
  if (now.plan.readOnlyRootfs) remount(now.paths.rootfs, mountFlags.bind | mountFlags.readOnly);
  const root = { path: now.paths.rootfs, fd: openRoot(now.paths.rootfs) };
  return await withOpened(root, () => work(root, now));
}

/** The tree as the container's init sees it; undefined when that has ended. */
function openLive({ state }: Container): ContainerRoot | undefined {
  const path = `/proc/${state.pid}/root`;
  try {
    return { path, fd: openRoot(path) };
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "ENOENT" || error.code === "ESRCH")) return undefined;
    throw error;
  }
}

async function withOpened<T>({ fd }: ContainerRoot, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    closeSync(fd);
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
