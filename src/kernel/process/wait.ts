import { errno, memory, symbols, SyscallError } from "../call.ts";

const libc = symbols({
  waitid: { args: ["int", "int", "ptr", "int"], returns: "int" },
});

/** How a process ended: 0-255 as shells count, 128+n for signal n. */
export interface Ended {
  readonly pid: number;
  readonly exitCode: number;
}

// waitid(2): siginfo_t has si_code at 8, si_pid at 16, si_status at 24
const info = memory(128);
const anyChild = 0;
const byPid = 1;
const noHang = 1;
const exited = 4;
const leaveZombie = 0x01000000;

/** Reaps that child if it has ended; undefined when it lives. Throws ECHILD when it is no child of ours. */
export const reap = (pid: number): Ended | undefined => wait(byPid, pid, noHang | exited);

/** One child that has ended and is not reaped yet, whichever the kernel lists first. */
export function anyZombie(): Ended | undefined {
  try {
    return wait(anyChild, 0, noHang | exited | leaveZombie);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ECHILD") return undefined;
    throw error;
  }
}

function wait(kind: number, pid: number, flags: number): Ended | undefined {
  for (;;) {
    info.fill(0, 0, 32);
    if (libc.waitid(kind, pid, info, flags) === 0) break;
    const code = errno();
    if (code !== 4 /* EINTR */) throw new SyscallError("waitid", code);
  }
  const found = info.readInt32LE(16);
  if (found === 0) return undefined;
  const status = info.readInt32LE(24);
  return { pid: found, exitCode: info.readInt32LE(8) === 1 /* CLD_EXITED */ ? status : 128 + status };
}

/** The exit code in a wait status (`exit_code` of the kernel's task). */
export const exitCodeOfStatus = (status: number): number =>
  (status & 0x7f) === 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
