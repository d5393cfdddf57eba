import { readFileSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { mount, unmount } from "../../kernel/mount.ts";
import type { MountReply, MountRequest } from "./mount-worker.ts";
import { resolveAddress, splitMountOptions } from "./mount-options.ts";

/** These mount at once; others may wait for a server or a slow disk, and do that in a thread of their own. */
const quickTypes = new Set(["tmpfs", "none", "bind", "ramfs", "overlay", "proc"]);
const mountTimeoutMs = 45_000;

/** Mounts what a volume's `type`, `device` and `o` name. Throws Docker's text, with what the kernel lacks. */
export async function mountNamed(target: string, options: Readonly<Record<string, string>>): Promise<void> {
  const type = options["type"] ?? "";
  const source = options["device"] ?? "";
  const { flags, data } = splitMountOptions(options["o"] ?? "");
  const resolved = await resolveAddress(type, data);
  const request = { source, target, type, flags, ...(resolved !== "" && { data: resolved }) };
  const errno = quickTypes.has(type) ? attempt(request) : await inThread(request);
  if (errno === 0) return;
  const shown = `flags: 0x${flags.toString(16)}${data === "" ? "" : `, data: ${data}`}`;
  throw new EngineError(
    "invalid",
    `error while mounting volume '${target}': failed to mount local volume: mount ${source}:${target}, ${shown}: ${reasonOf(errno, type)}`,
    { mountpoint: target, source, type },
  );
}

function attempt(request: MountRequest): number {
  try {
    mount(request);
    return 0;
  } catch (error) {
    if (error instanceof SyscallError) return error.errno;
    throw error;
  }
}

/** A mount that does not come in time is taken away should it come later. */
async function inThread(request: MountRequest): Promise<number> {
  const worker = new Worker(new URL("./mount-worker.ts", import.meta.url).href);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    resolve(110);
  }, mountTimeoutMs);
  worker.onmessage = (event: MessageEvent<MountReply>) => {
    worker.terminate();
    if (late && event.data.errno === 0) unmount(request.target, { detach: true });
    resolve(event.data.errno);
  };
  worker.onerror = (event) => reject(new EngineError("internal", `the mounting thread failed: ${event.message}`));
  worker.postMessage(request);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** What must be in the kernel for file systems that are often asked for. */
const kernelOptions: Readonly<Record<string, string>> = {
  nfs: "CONFIG_NFS_FS",
  nfs4: "CONFIG_NFS_V4",
  cifs: "CONFIG_CIFS",
  smb3: "CONFIG_CIFS",
  ceph: "CONFIG_CEPH_FS",
  "9p": "CONFIG_9P_FS",
  btrfs: "CONFIG_BTRFS_FS",
  xfs: "CONFIG_XFS_FS",
};

function reasonOf(errno: number, type: string): string {
  if (errno === 19 /* ENODEV */) {
    const option = Object.hasOwn(kernelOptions, type) ? `, ${kernelOptions[type]}` : "";
    const has = readFileSync("/proc/filesystems", "utf8")
      .split("\n")
      .flatMap((line) => line.split("\t")[1] ?? []);
    return `no such device: this kernel lacks the file system type "${type}"${option} (it has ${has.join(", ")})`;
  }
  return reasons[errno] ?? `errno ${errno}`;
}

// strerror(3) of what users meet here
const reasons: Readonly<Record<number, string>> = {
  1: "operation not permitted",
  2: "no such file or directory",
  5: "input/output error",
  13: "permission denied",
  15: "block device required",
  16: "device or resource busy",
  20: "not a directory",
  22: "invalid argument",
  30: "read-only file system",
  101: "network is unreachable",
  110: "connection timed out",
  111: "connection refused",
  113: "no route to host",
};
