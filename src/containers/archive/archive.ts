import type { Readable } from "node:stream";
import { EngineError } from "../../base/errors.ts";
import { openRoot } from "../../kernel/openat2.ts";
import type { Caller } from "../../spec/caller.ts";
import type { PathStat } from "../containers.ts";
import type { ContainerDeps } from "../deps.ts";
import { publish } from "../events.ts";
import { resolveUser } from "../oci/user.ts";
import { statPath } from "./path-stat.ts";
import { packFrom, readTree } from "./read.ts";
import { withRoot } from "./root.ts";
import { writeTree } from "./write.ts";

/** What is at a path in a container. */
export function statInContainer(deps: ContainerDeps, ref: string, path: string): Promise<PathStat> {
  checkPath(path);
  return withRoot(deps, ref, async (root) => statPath(root, path, ref));
}

/** A tar of a path; the container's tree stays open until it is read or destroyed. */
export async function readFromContainer(
  deps: ContainerDeps,
  ref: string,
  path: string,
  caller: Caller,
): Promise<{ stat: PathStat; tar: Readable }> {
  checkPath(path);
  const container = deps.records.get(ref); // by another name, or gone, when the tree is open
  const opened = await holdOpen(deps, ref, (root) => readTree(root, path, ref));
  publish(deps.events, container, "archive-path", caller, { path });
  return opened;
}

/** Unpacks a tar into a folder of the container. */
export async function writeToContainer(
  deps: ContainerDeps,
  ref: string,
  path: string,
  tar: Readable,
  options: { caller: Caller; noOverwriteDirNonDir: boolean; copyOwner: boolean },
): Promise<void> {
  checkPath(path);
  const unpacked = deps.records.get(ref);
  await withRoot(deps, ref, async (root, container) => {
    const { process } = container.plan;
    // `cp -a`: everything belongs to the user the container runs as (moby parity)
    const owner = options.copyOwner ? resolveUser(root.path, { user: process.user, groups: [] }) : undefined;
    await writeTree(root, container, path, tar, { noOverwriteDirNonDir: options.noOverwriteDirNonDir, owner });
  });
  publish(deps.events, unpacked, "extract-to-dir", options.caller, { path });
}

/** A tar of the container's whole file system, without what is mounted into it. */
export async function exportContainer(deps: ContainerDeps, ref: string, caller: Caller): Promise<Readable> {
  const container = deps.records.get(ref);
  const { tar } = await holdOpen(deps, ref, (root, { paths }) =>
    // of one that runs, its own namespace would show the files that are mounted over its own
    packFrom(openRoot(root.gone ? root.path : paths.rootfs), ["."], ["--one-file-system", "--transform=s,^\\./,,S"]),
  );
  publish(deps.events, container, "export", caller);
  return tar;
}

/** Opens the tree, starts the work, and lets go of the tree when the work's tar is done. */
async function holdOpen<T extends { tar: Readable; done: Promise<void> }>(
  deps: ContainerDeps,
  ref: string,
  work: (...args: Parameters<Parameters<typeof withRoot>[2]>) => T,
): Promise<T> {
  const begun = Promise.withResolvers<T>();
  withRoot(deps, ref, async (root, container) => {
    const result = work(root, container);
    const end = (): void => void result.tar.destroy(new EngineError("conflict", "the container was removed"));
    root.gone?.addEventListener("abort", end, { once: true });
    begun.resolve(result);
    await result.done;
    root.gone?.removeEventListener("abort", end);
  }).catch(begun.reject);
  return begun.promise;
}

function checkPath(path: string): void {
  if (path === "") throw new EngineError("invalid", "bad parameter: path cannot be empty");
  if (path.includes("\0")) throw new EngineError("invalid", "bad parameter: path holds a NUL byte");
}
