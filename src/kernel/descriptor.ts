import { check, symbols } from "./call.ts";

const libc = symbols({
  fcntl: { args: ["int", "int", "i64"], returns: "int" },
  flock: { args: ["int", "int"], returns: "int" },
});

/** Keeps the descriptor open over execve, or not. */
export function setInherited(fd: number, inherited: boolean): void {
  check("fcntl F_SETFD", () => libc.fcntl(fd, 2, inherited ? 0 : 1));
}

/** Reads and writes give EAGAIN instead of waiting. */
export function setNonBlocking(fd: number): void {
  const flags = check("fcntl F_GETFL", () => libc.fcntl(fd, 3, 0));
  check("fcntl F_SETFL", () => libc.fcntl(fd, 4, flags | 0o4000));
}

/** A copy of the descriptor, close-on-exec. */
export const duplicate = (fd: number): number => check("fcntl F_DUPFD_CLOEXEC", () => libc.fcntl(fd, 1030, 3));

/** Takes the file's exclusive lock without waiting; false when another holds it. flock(2) */
export const tryLockFile = (fd: number): boolean => libc.flock(fd, 2 | 4) === 0;
