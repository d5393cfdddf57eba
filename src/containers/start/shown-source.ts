import { chmodSync, chownSync, closeSync, openSync, statSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { SyscallError } from "../../kernel/call.ts";
import { bindMount, isMounted, mount, unmount } from "../../kernel/mount.ts";
import { idmapMount } from "../../kernel/mount-tree.ts";
import { openUserNamespace } from "../../kernel/userns.ts";
import type { Container } from "../container.ts";
import { resolveUser } from "../oci/user.ts";
import type { IdMapPlan, IdRange, MountPlan } from "../plan.ts";
import { subpathTarget } from "./subpath.ts";

type Changed = Extract<MountPlan, { type: "bind" | "volume" }>;

const idmapTarget = (bundle: string, target: string): string => `${subpathTarget(bundle, target)}-id`;
const overlayTarget = (bundle: string, target: string): string => `${subpathTarget(bundle, target)}-over`;
const aloneTarget = (bundle: string, target: string): string => `${subpathTarget(bundle, target)}-alone`;
const writesOf = ({ paths }: Container, target: string): string =>
  join(paths.folder, "over", subpathTarget("", target).slice(-12));

/**
 * The source of a bind or volume as the container shall see it: through an idmapped mount, and below an overlay whose
 * writes are thrown away. Both are mounts of the engine in the container's bundle, so that any runtime can bind them.
 * Idempotent.
 */
export async function shownSource(container: Container, mount: Changed, source: string): Promise<string> {
  if (mount.idMap === undefined && !mount.overlay)
    return mount.type === "bind" && !mount.recursive ? withoutMounts(container, mount, source) : source;
  const mapped = mount.idMap === undefined ? source : await mapIds(container, mount, mount.idMap, source);
  return mount.overlay ? layOver(container, mount.target, mapped) : mapped;
}

/** Undoes it, and throws the writes away. Idempotent. */
export async function hideSource(container: Container, changed: Changed): Promise<void> {
  const { target, overlay, idMap } = changed;
  const { bundle } = container.paths;
  while (changed.type === "bind" && !changed.recursive && unmount(aloneTarget(bundle, target), { detach: true })) {
    // as below
  }
  if (overlay) {
    while (unmount(overlayTarget(bundle, target), { detach: true })) {
      // once for each time that a cut start had mounted it
    }
    await rm(writesOf(container, target), { recursive: true, force: true });
  }
  if (idMap === undefined) return;
  while (unmount(idmapTarget(bundle, target), { detach: true })) {
    // as above
  }
}

/** crun 1.8 binds what is mounted below the source even when it is told not to: nothing is below this mount. */
async function withoutMounts(container: Container, { target }: Changed, source: string): Promise<string> {
  const place = aloneTarget(container.paths.bundle, target);
  if (isMounted(place)) return place;
  await makePlace(place, source);
  bindMount(source, place);
  return place;
}

async function mapIds(container: Container, { target }: Changed, idMap: IdMapPlan, source: string): Promise<string> {
  const place = idmapTarget(container.paths.bundle, target);
  if (isMounted(place)) return place;
  await makePlace(place, source);
  const { uids, gids } = idMap === "auto" ? ownerToUser(container, source) : idMap;
  const lines = (ranges: readonly IdRange[]) => ranges.map(({ disk, seen, count }) => [disk, seen, count] as const);
  const userns = await openUserNamespace(lines(uids), lines(gids));
  fault("start.idmap");
  try {
    idmapMount(source, place, userns);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const why =
      error.code === "EINVAL"
        ? "its file system knows no idmapped mounts"
        : error.code === "EPERM"
          ? "it is idmapped already, or not ours to map"
          : error.code;
    throw new EngineError("invalid", `the source ${source} cannot be idmapped: ${why}`, { source }, { cause: error });
  } finally {
    closeSync(userns);
  }
  return place;
}

/** Who owns the source is seen as the container's user; everybody else as nobody. */
function ownerToUser({ plan, paths }: Container, source: string): Exclude<IdMapPlan, "auto"> {
  const owner = statSync(source);
  const user = resolveUser(paths.rootfs, { user: plan.process.user, groups: [] });
  return {
    uids: [{ disk: owner.uid, seen: user.uid, count: 1 }],
    gids: [{ disk: owner.gid, seen: user.additionalGids[0] ?? user.gid, count: 1 }],
  };
}

async function layOver(container: Container, target: string, source: string): Promise<string> {
  const place = overlayTarget(container.paths.bundle, target);
  if (isMounted(place)) return place;
  const below = statSync(source);
  if (!below.isDirectory())
    throw new EngineError("invalid", `an overlay needs a folder, and ${source} is none`, { source });
  const writes = writesOf(container, target);
  await rm(writes, { recursive: true, force: true }); // of a start that was cut
  await mkdir(place, { recursive: true, mode: 0o755 });
  await mkdir(join(writes, "upper"), { recursive: true, mode: 0o700 });
  await mkdir(join(writes, "work"), { mode: 0o700 });
  // the upper folder's attributes are those of the whole
  chownSync(join(writes, "upper"), below.uid, below.gid);
  chmodSync(join(writes, "upper"), below.mode & 0o7777);
  fault("start.overlay");
  // by descriptors: paths of users may hold what means something in mount options
  const [lower, own] = [openSync(source, "r"), openSync(writes, "r")];
  try {
    const at = (fd: number): string => `/proc/self/fd/${fd}`;
    mount({
      source: "overlay",
      target: place,
      type: "overlay",
      data: `lowerdir=${at(lower)},upperdir=${at(own)}/upper,workdir=${at(own)}/work`,
    });
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new EngineError(
      "invalid",
      `no overlay can be laid over ${source}: ${error.code}`,
      { source },
      { cause: error },
    );
  } finally {
    closeSync(lower);
    closeSync(own);
  }
  return place;
}

/** Something of the source's kind to mount on. */
async function makePlace(place: string, source: string): Promise<void> {
  if (statSync(source).isDirectory()) {
    await mkdir(place, { recursive: true, mode: 0o755 });
    return;
  }
  await mkdir(dirname(place), { recursive: true, mode: 0o755 });
  await writeFile(place, "");
}
