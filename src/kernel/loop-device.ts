import { closeSync, openSync } from "node:fs";
import { check, errno, memory, symbols, SyscallError } from "./call.ts";

const libc = symbols({ ioctl: { args: ["int", "u64", "ptr"], returns: "int" } });

const getFree = 0x4c82n; // LOOP_CTL_GET_FREE
const configure = 0x4c0an; // LOOP_CONFIGURE, Linux >= 5.8
const setCapacity = 0x4c07n; // LOOP_SET_CAPACITY
const autoClear = 4; // LO_FLAGS_AUTOCLEAR: the kernel frees the device with its last user
const busy = 16;

export interface LoopDevice {
  readonly path: string;
  /** Close it when the device is mounted: the mount keeps it, and the last unmount frees it. */
  readonly fd: number;
}

/** Makes a block device of a file. Nothing is left when this process dies before it is mounted. loop(4) */
export function openLoop(file: string): LoopDevice {
  const image = openSync(file, "r+");
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

/** Tells the device that its file has another length. */
export function resizeLoop(device: string): void {
  const fd = openSync(device, "r+");
  try {
    check("ioctl", () => libc.ioctl(fd, setCapacity, null), device);
  } finally {
    closeSync(fd);
  }
}
