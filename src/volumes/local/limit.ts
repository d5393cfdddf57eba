import { closeSync, existsSync, readdirSync } from "node:fs";
import { mkdir, rm, rename, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { EngineError, errorMessage } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { openLoop, resizeLoop } from "../../kernel/loop-device.ts";
import { isMounted, mount, mounts, unmount } from "../../kernel/mount.ts";
import { joinProject, projectUsage, setProjectLimit } from "../../kernel/project-quota.ts";
import type { VolumePlace } from "../driver.ts";

/*
 * A volume with a limit. Where the data root's file system keeps project quotas, its folder is a project; elsewhere
 * its content lies in an ext4 image of that size, `disk.img`, which is mounted at `fs` while the volume is used.
 */
const smallestImageBytes = 8 * 1024 * 1024; // ext4 with a journal needs about 4 MiB for itself

export const imageOf = ({ folder }: VolumePlace): string => join(folder, "disk.img");
const fsOf = ({ folder }: VolumePlace): string => join(folder, "fs");
export const imageContent = (place: VolumePlace): string => join(fsOf(place), "_data");
export const hasImage = (place: VolumePlace): boolean => existsSync(imageOf(place));

/** Makes the limited place of a new volume; `content` exists and is empty. Idempotent. */
export async function makeLimited(place: VolumePlace, content: string, limitBytes: number): Promise<void> {
  if (hasImage(place)) return;
  if (projectUsage(place.folder, 0) !== undefined) return limitProject(content, limitBytes);
  if (limitBytes < smallestImageBytes)
    throw new EngineError(
      "invalid",
      `size is too small: the file system of ${place.folder} keeps no project quotas, and a disk image needs at least ${smallestImageBytes / 1024 ** 2} MiB`,
      { size: limitBytes },
    );
  const draft = `${imageOf(place)}.new`;
  await rm(draft, { force: true });
  try {
    await Bun.write(draft, "");
    await truncate(draft, limitBytes);
    fault("volume.image.made");
    // no blocks kept for root: the user gets what they asked for. Without discard, which would ask for all of it now.
    await program("/sbin/mkfs.ext4", ["-q", "-F", "-m", "0", "-E", "nodiscard", "-O", "^resize_inode", draft]);
    await rename(draft, imageOf(place));
  } finally {
    await rm(draft, { force: true });
  }
}

function limitProject(content: string, limitBytes: number): void {
  // far from what administrators number by hand; another engine on this disk may use the same range: look first
  let id = 0x42000000 + Math.floor(Math.random() * 0xffffff);
  while ((projectUsage(content, id)?.usedBytes ?? 0) > 0) id++;
  joinProject(content, id);
  setProjectLimit(content, id, limitBytes);
}

/** Mounts the image. Idempotent. */
export async function mountImage(place: VolumePlace): Promise<string> {
  const target = fsOf(place);
  if (!isMounted(target)) {
    await mkdir(target, { recursive: true, mode: 0o755 });
    const loop = openLoop(imageOf(place));
    try {
      // discard: what is deleted in it goes from the image, too
      mount({ source: loop.path, target, type: "ext4", flags: 0, data: "discard" });
    } finally {
      closeSync(loop.fd);
    }
    for (const name of readdirSync(target))
      // of a daemon that was cut
      if (name.startsWith(".draft-")) await rm(join(target, name), { recursive: true, force: true });
  }
  await mkdir(imageContent(place), { recursive: true, mode: 0o755 });
  return imageContent(place);
}

export function unmountImage(place: VolumePlace): void {
  while (unmount(fsOf(place), { detach: true })) {
    // mounted more than once, by a daemon that was cut
  }
}

/** Grows or shrinks the image; a volume in use can only grow. */
export async function resizeImage(place: VolumePlace, limitBytes: number): Promise<void> {
  const image = imageOf(place);
  const before = (await stat(image)).size;
  if (limitBytes < smallestImageBytes)
    throw new EngineError("invalid", `size is too small: at least ${smallestImageBytes / 1024 ** 2} MiB`);
  if (limitBytes === before) return;
  const device = mounts({ under: fsOf(place) })[0]?.source;
  if (limitBytes > before) {
    await truncate(image, limitBytes);
    if (device === undefined) {
      await program("/sbin/e2fsck", ["-f", "-p", image], [0, 1]);
      return program("/sbin/resize2fs", [image]);
    }
    resizeLoop(device);
    try {
      return await program("/sbin/resize2fs", [device]);
    } catch (cause) {
      await truncate(image, before);
      resizeLoop(device);
      // ext4 grows under its users for CAP_SYS_RESOURCE alone, which some machines keep from root
      throw new EngineError(
        "conflict",
        `the volume cannot grow while it is in use: ${errorMessage(cause)}`,
        { name: place.name },
        { cause },
      );
    }
  }
  if (device !== undefined)
    throw new EngineError("conflict", "a volume that is in use can grow, but not shrink", { name: place.name });
  await program("/sbin/e2fsck", ["-f", "-p", image], [0, 1]);
  await program("/sbin/resize2fs", [image, `${Math.floor(limitBytes / 1024)}K`]);
  await truncate(image, limitBytes);
}

const programTimeoutMs = 120_000;

async function program(path: string, args: readonly string[], fine: readonly number[] = [0]): Promise<void> {
  if (!existsSync(path))
    throw new EngineError("not-implemented", `a volume with a size needs ${path}: install e2fsprogs`, { path });
  const child = Bun.spawn([path, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { LC_ALL: "C" },
    cwd: "/",
    timeout: programTimeoutMs,
  });
  const [said, complained, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (fine.includes(status)) return;
  const why = `${complained}\n${said}`
    .split("\n")
    .find((line) => line.trim() !== "" && !/^(mke2fs|resize2fs|e2fsck) \d/.test(line));
  throw new EngineError("internal", `${path} ended with ${status}: ${why?.trim() ?? "it said nothing"}`, { path });
}
