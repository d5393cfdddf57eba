import { mkdirSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Snapshotter } from "../../snapshots/snapshotter.ts";

/** Where the mount of a folder is. */
const viewName = "view";

/** Removes what a process that died left in the folder: mounts first. */
export async function sweepWork(folder: string, layers: Pick<Snapshotter, "unmount">): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(folder)) await removeWork(join(folder, name), layers);
}

/** A folder for one piece of work, with `view` in it to mount on; gone when disposed. */
export async function workFolder(
  folder: string,
  layers: Pick<Snapshotter, "unmount">,
): Promise<AsyncDisposable & { path: string; view: string }> {
  const path = await mkdtemp(join(folder, "aci-"));
  const view = join(path, viewName);
  mkdirSync(view);
  return { path, view, [Symbol.asyncDispose]: () => removeWork(path, layers) };
}

async function removeWork(path: string, layers: Pick<Snapshotter, "unmount">): Promise<void> {
  await layers.unmount(join(path, viewName));
  // rm follows no links; a mount that would not go makes it fail, and nothing is lost
  await rm(path, { recursive: true, force: true });
}
