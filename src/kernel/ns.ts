import { closeSync, openSync } from "node:fs";
import { check, cstring, symbols } from "./call.ts";

const c = symbols({
  unshare: { args: ["int"], returns: "int" },
  setns: { args: ["int", "int"], returns: "int" },
  mount: { args: ["ptr", "ptr", "ptr", "u64", "ptr"], returns: "int" },
  umount2: { args: ["ptr", "int"], returns: "int" },
});

const CLONE_NEWNET = 0x40000000;
const MS_BIND = 4096;
const MNT_DETACH = 2;

/** The calling thread's network namespace. The caller closes it. */
export const openOwnNetns = (): number => openSync("/proc/thread-self/ns/net", "r");

/**
 * Moves the calling thread into a new, empty network namespace. Only for a Worker of its own, and only with
 * synchronous code until the way back: asynchronous file calls run on pool threads, which stay where they were.
 */
export function unshareNetns(): void {
  check("unshare(CLONE_NEWNET)", () => c.unshare(CLONE_NEWNET));
}

/** Moves the calling thread into the namespace behind the descriptor. The same rules as for unshareNetns. */
export function enterNetns(fd: number): void {
  check("setns(CLONE_NEWNET)", () => c.setns(fd, CLONE_NEWNET));
}

/** Keeps the network namespace behind the descriptor alive under a path (made here; must not exist). */
export function pinNetns(path: string, fd: number): void {
  closeSync(openSync(path, "wx", 0o444));
  const source = cstring(`/proc/self/fd/${fd}`);
  const target = cstring(path);
  check("mount(MS_BIND)", () => c.mount(source, target, null, MS_BIND, null), path);
}

/** Lets go of a pinned namespace; the file stays. Throws EINVAL when nothing is mounted there, ENOENT without file. */
export function unpinNetns(path: string): void {
  const target = cstring(path);
  check("umount2", () => c.umount2(target, MNT_DETACH), path);
}
