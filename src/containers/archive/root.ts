import { closeSync } from "node:fs";
import { ensureWorkdir } from "../oci/workdir.ts";
import { bindMount } from "../../kernel/mount.ts";
import { openInRoot, openRoot } from "../../kernel/openat2.ts";
import type { Container } from "../container.ts";
import { type ContainerDeps, lockTimeoutMs } from "../deps.ts";
import { closeRootfs, openRootfs } from "../start/rootfs.ts";
import { isLive } from "../books/state.ts";

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
export async function withRoot<T>(deps: ContainerDeps, ref: string, work: (root: ContainerRoot, container: Container) => Promise<T>): Promise<T> {
  const container = deps.records.get(ref);
  if (isLive(container.state)) return withOpened(`/proc/${container.state.pid}/root`, (root) => work(root, container));
  const { id } = container;
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  await deps.activity.settled(id);
  const now = deps.records.get(id);
  // It was started while we waited.
  if (isLive(now.state)) return withOpened(`/proc/${now.state.pid}/root`, (root) => work(root, now));
  await using undo = new AsyncDisposableStack();
  // Takes the volumes' mounts with the root's: by their paths, links of the image would lead to mounts of the host.
  undo.defer(() => closeRootfs(deps, now));
  const sources = await openRootfs(deps, now);
  for (const [target, source] of sources) mountVolume(now.paths.rootfs, target, source);
  return await withOpened(now.paths.rootfs, (root) => work(root, now));
}

async function withOpened<T>(path: string, work: (root: ContainerRoot) => Promise<T>): Promise<T> {
  const fd = openRoot(path);
  try {
    return await work({ path, fd });
  } finally {
    closeSync(fd);
  }
}

/** Mounts a source over its target inside a root; the target is walked by the kernel and pinned by a descriptor. */
function mountVolume(rootfs: string, target: string, source: string): void {
  ensureWorkdir(rootfs, target, 0, 0);
  const rootFd = openRoot(rootfs);
  try {
    const fd = openInRoot(rootFd, target);
    try {
      bindMount(source, `/proc/self/fd/${fd}`);
    } finally {
      closeSync(fd);
    }
  } finally {
    closeSync(rootFd);
  }
}
