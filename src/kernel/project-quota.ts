import { closeSync, openSync } from "node:fs";
import { check, errno, memory, symbols, SyscallError } from "./call.ts";

const libc = symbols({
  ioctl: { args: ["int", "u64", "ptr"], returns: "int" },
  syscall: { args: ["i64", "i64", "i64", "i64", "ptr"], returns: "i64" },
});

const getAttributes = 0x801c581fn; // FS_IOC_FSGETXATTR
const setAttributes = 0x401c5820n; // FS_IOC_FSSETXATTR
const inherit = 0x200; // FS_XFLAG_PROJINHERIT: what is made in the folder belongs to its project
const quotactlFd = 443; // Linux >= 5.14, the same number on all architectures
const project = 2; // PRJQUOTA
const commands = { get: 0x800007, set: 0x800008 } as const; // Q_GETQUOTA, Q_SETQUOTA of quotactl(2)
const blockLimits = 1; // QIF_BLIMITS

export interface ProjectUsage {
  readonly limitBytes: number;
  readonly usedBytes: number;
}

/** What a project may use and uses on the file system of a folder; undefined where it keeps no project quota. */
export function projectUsage(folder: string, id: number): ProjectUsage | undefined {
  const fd = openSync(folder, "r");
  try {
    const block = memory(72); // struct if_dqblk
    if (Number(libc.syscall(quotactlFd, fd, (commands.get << 8) | project, id, block)) !== 0) {
      const code = errno();
      // no such call, no quota on this file system, nothing known of the project
      if ([38, 3, 22, 25, 95].includes(code))
        return code === 3 && isCounted(fd) ? { limitBytes: 0, usedBytes: 0 } : undefined;
      if (code === 2) return { limitBytes: 0, usedBytes: 0 };
      throw new SyscallError("quotactl_fd", code, folder);
    }
    return { limitBytes: Number(block.readBigUInt64LE(0)) * 1024, usedBytes: Number(block.readBigUInt64LE(16)) };
  } finally {
    closeSync(fd);
  }
}

/** ESRCH says both «no quota here» and, on some file systems, «an unknown project»: project 0 is always known. */
function isCounted(fd: number): boolean {
  return Number(libc.syscall(quotactlFd, fd, (commands.get << 8) | project, 0, memory(72))) === 0;
}

/** Limits the bytes of a project; 0 = no limit. */
export function setProjectLimit(folder: string, id: number, limitBytes: number): void {
  const fd = openSync(folder, "r");
  try {
    const block = memory(72);
    block.writeBigUInt64LE(BigInt(Math.ceil(limitBytes / 1024)), 0);
    block.writeBigUInt64LE(BigInt(Math.ceil(limitBytes / 1024)), 8);
    block.writeUInt32LE(blockLimits, 64);
    check("quotactl_fd", () => libc.syscall(quotactlFd, fd, (commands.set << 8) | project, id, block), folder);
  } finally {
    closeSync(fd);
  }
}

/** Gives an empty folder, and all that will be made in it, to a project. */
export function joinProject(folder: string, id: number): void {
  const fd = openSync(folder, "r");
  try {
    const attributes = memory(28); // struct fsxattr
    check("ioctl", () => libc.ioctl(fd, getAttributes, attributes), folder);
    attributes.writeUInt32LE(attributes.readUInt32LE(0) | inherit, 0);
    attributes.writeUInt32LE(id, 12);
    check("ioctl", () => libc.ioctl(fd, setAttributes, attributes), folder);
  } finally {
    closeSync(fd);
  }
}

/** The project of a folder; 0 = none. */
export function projectOf(folder: string): number {
  const fd = openSync(folder, "r");
  try {
    const attributes = memory(28);
    return libc.ioctl(fd, getAttributes, attributes) === 0 ? attributes.readUInt32LE(12) : 0;
  } finally {
    closeSync(fd);
  }
}
