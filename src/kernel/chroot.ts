import { check, cstring, symbols } from "./call.ts";

const libc = symbols({
  unshare: { args: ["int"], returns: "int" },
  chroot: { args: ["ptr"], returns: "int" },
  chdir: { args: ["ptr"], returns: "int" },
  fchdir: { args: ["int"], returns: "int" },
  open: { args: ["ptr", "int", "int"], returns: "int" },
  umask: { args: ["u32"], returns: "u32" },
});

/** Gives this thread a umask of its own, 0: for a Worker, never for the main thread. */
export function ownUmask(): void {
  check("unshare", () => libc.unshare(0x200 /* CLONE_FS */));
  libc.umask(0);
}

/**
 * Gives this thread a root, working folder and umask of its own: for a Worker, never for the main thread. From then
 * on only synchronous file calls see them; the asynchronous ones run on other threads.
 */
export class ThreadRoot {
  readonly #hostRootFd: number;

  constructor() {
    check("unshare", () => libc.unshare(0x200 /* CLONE_FS */));
    const slash = cstring("/");
    this.#hostRootFd = check("open", () => libc.open(slash, 0o10000000 | 0o200000 | 0o2000000, 0));
    libc.umask(0);
  }

  /** Makes the folder this thread's root and working folder. */
  enter(path: string): void {
    const name = cstring(path);
    const here = cstring(".");
    check("chdir", () => libc.chdir(name), path);
    check("chroot", () => libc.chroot(here), path);
  }

  /** Changes the working folder, inside the root. */
  moveTo(path: string): void {
    const name = cstring(path);
    check("chdir", () => libc.chdir(name), path);
  }

  /** Back to the host's root. */
  leave(): void {
    const here = cstring(".");
    check("fchdir", () => libc.fchdir(this.#hostRootFd));
    check("chroot", () => libc.chroot(here));
  }
}
