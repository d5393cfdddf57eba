import { closeSync, fstatSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { check, errno, memory, symbols, SyscallError } from "../call.ts";
import { exitCodeOfStatus } from "./wait.ts";

const libc = symbols({
  syscall: { args: ["i64", "i64", "i64", "i64", "i64"], returns: "i64" },
  ioctl: { args: ["int", "u64", "ptr"], returns: "int" },
  poll: { args: ["ptr", "u64", "int"], returns: "int" },
});

/** A descriptor of the process, close-on-exec. Throws ESRCH when it is gone. pidfd_open(2) */
export const openPidfd = (pid: number): number =>
  check("pidfd_open", () => libc.syscall(434, pid, 0, 0, 0), String(pid));

/** Sends a signal to exactly that process. Throws ESRCH when it is gone. pidfd_send_signal(2) */
export function signalPidfd(pidfd: number, signal: number): void {
  check("pidfd_send_signal", () => libc.syscall(424, pidfd, signal, 0, 0));
}

/**
 * What tells a process from a later one with the same pid: `ino:<pidfd inode>` (pidfs, Linux >= 6.9) or
 * `start:<clock ticks>`. Throws ESRCH when there is no such process.
 */
export function processIdentity(pid: number): string {
  if (!hasPidfs()) return `start:${startTicks(pid)}`;
  const pidfd = openPidfd(pid);
  try {
    return `ino:${fstatSync(pidfd, { bigint: true }).ino}`;
  } finally {
    closeSync(pidfd);
  }
}

/** A pidfd of the process, or undefined when that very process is gone (its zombie still counts as there). */
export function openIdentified(pid: number, identity: string): number | undefined {
  let pidfd: number;
  try {
    pidfd = openPidfd(pid);
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "ESRCH" || error.code === "EINVAL")) return undefined;
    throw error;
  }
  try {
    const same = identity.startsWith("ino:")
      ? identity === `ino:${fstatSync(pidfd, { bigint: true }).ino}`
      : identity === `start:${startTicks(pid)}`;
    if (same) return pidfd;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
  closeSync(pidfd);
  return undefined;
}

/** Whether exitCodeOfPidfd can know: Linux >= 6.15. */
export function pidfdsTellExits(version = release()): boolean {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return major > 6 || (major === 6 && minor >= 15);
}

const info = memory(64);

/**
 * The exit code of a process that was reaped, even by another process; undefined while it is not, or where the
 * kernel cannot tell (before 6.15). PIDFD_GET_INFO: mask at 0, exit_code at 60.
 */
export function exitCodeOfPidfd(pidfd: number): number | undefined {
  info.fill(0);
  info.writeBigUInt64LE(8n /* PIDFD_INFO_EXIT */, 0);
  if (libc.ioctl(pidfd, 0xc040ff0bn, info) !== 0) return undefined;
  if ((info.readBigUInt64LE(0) & 8n) === 0n) return undefined;
  return exitCodeOfStatus(info.readInt32LE(60));
}

const pollEntry = memory(8);

/** `zombie` once it has ended, `reaped` once its parent has seen that (POLLHUP; older kernels stay at `zombie`). */
export function pidfdState(pidfd: number): "alive" | "zombie" | "reaped" {
  pollEntry.writeInt32LE(pidfd, 0);
  pollEntry.writeInt16LE(1 /* POLLIN */, 4);
  pollEntry.writeInt16LE(0, 6);
  if (libc.poll(pollEntry, 1n, 0) < 0) throw new SyscallError("poll", errno());
  const events = pollEntry.readInt16LE(6);
  return (events & 0x10) !== 0 ? "reaped" : (events & 1) !== 0 ? "zombie" : "alive";
}

/** The exit code that /proc shows of a zombie (field 52 of stat); undefined when it is no zombie. */
export function exitCodeOfZombie(pid: number): number | undefined {
  const fields = statFields(pid);
  return fields?.[0] === "Z" ? exitCodeOfStatus(Number(fields[49])) : undefined;
}

function startTicks(pid: number): string {
  const ticks = statFields(pid)?.[19];
  if (ticks === undefined) throw new SyscallError("read", 3 /* ESRCH */, `/proc/${pid}/stat`);
  return ticks;
}

/** Fields of /proc/PID/stat from the third (state) on; the name before them may hold spaces and parentheses. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text
      .slice(text.lastIndexOf(")") + 2)
      .trimEnd()
      .split(" ");
  } catch {
    return undefined; // gone: ENOENT at open or ESRCH at read
  }
}

let pidfs: boolean | undefined;

/** Before pidfs all pidfds share one inode. */
function hasPidfs(): boolean {
  if (pidfs !== undefined) return pidfs;
  const [mine, first] = [openPidfd(process.pid), openPidfd(1)];
  pidfs = fstatSync(mine, { bigint: true }).ino !== fstatSync(first, { bigint: true }).ino;
  closeSync(mine);
  closeSync(first);
  return pidfs;
}
