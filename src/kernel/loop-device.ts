import { closeSync, existsSync, fstatSync, openSync, readdirSync } from "node:fs";
import { check, errno, memory, symbols, SyscallError } from "./call.ts";

const libc = symbols({ ioctl: { args: ["int", "u64", "ptr"], returns: "int" } });

const getFree = 0x4c82n; // LOOP_CTL_GET_FREE
const configure = 0x4c0an; // LOOP_CONFIGURE, Linux >= 5.8
const getStatus = 0x4c05n; // LOOP_GET_STATUS64
const setCapacity = 0x4c07n; // LOOP_SET_CAPACITY
const autoClear = 4; // LO_FLAGS_AUTOCLEAR: the kernel frees the device with its last user
const busy = 16;

export interface LoopDevice {
  readonly path: string;
  /** Close it when the device is mounted: the mount keeps it, and the last unmount frees it. */
  readonly fd: number;
}

/**
 * The block device of a file, made if there is none: two devices of one file would be two file systems that do not
 * know each other. Nothing is left when this process dies before it is mounted. loop(4)
 */
export function openLoop(file: string): LoopDevice {
  const image = openSync(file, "r+");
  const known = findLoop(image);
  if (known) {
    closeSync(image);
    return known;
  }
  const control = openSync("/dev/loop-control", "r+");
  try {
    for (let tries = 0; ; tries++) {
      const number = check("ioctl", () => libc.ioctl(control, getFree, null), "/dev/loop-control");
      const path = `/dev/loop${number}`;
      const fd = openSync(path, "r+");
      const config = memory(304); // struct loop_config
      config.writeUInt32LE(image, 0);
      config.writeUInt32LE(autoClear, 8 + 52); // info.lo_flags
      config.write(file.slice(-63), 8 + 56, "latin1"); // info.lo_file_name, for losetup's list
      if (libc.ioctl(fd, configure, config) === 0) return { path, fd };
      const code = errno();
      closeSync(fd);
      // another process was faster
      if (code !== busy || tries > 64) throw new SyscallError("LOOP_CONFIGURE", code, path);
    }
  } finally {
    closeSync(control);
    closeSync(image);
  }
}

/** A device that shows this file already: of a mount that was let go, and whose last user has not ended yet. */
function findLoop(image: number): LoopDevice | undefined {
  const { dev, ino } = fstatSync(image, { bigint: true });
  for (const name of readdirSync("/sys/block")) {
    if (!name.startsWith("loop") || !existsSync(`/sys/block/${name}/loop`)) continue;
    const path = `/dev/${name}`;
    let fd: number;
    try {
      fd = openSync(path, "r+");
    } catch {
      continue; // freed meanwhile
    }
    const info = memory(232); // struct loop_info64: lo_device, lo_inode
    const shown = libc.ioctl(fd, getStatus, info) === 0;
    if (shown && info.readBigUInt64LE(0) === dev && info.readBigUInt64LE(8) === ino) return { path, fd };
    closeSync(fd);
  }
  return undefined;
}

/** Tells the device that its file has another length. */
export function resizeLoop(device: string): void {
  const fd = openSync(device, "r+");
  try {
    check("ioctl", () => libc.ioctl(fd, setCapacity, null), device);
  } finally {
    closeSync(fd);
  }
}
