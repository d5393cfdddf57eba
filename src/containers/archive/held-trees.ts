import { closeSync } from "node:fs";
import { attachMount, cloneMount, mountAttributes, setMountAttributes } from "../../kernel/mount-tree.ts";

/** A container's file tree as its processes see it, volumes included. */
export interface ContainerRoot {
  /** A path whose root folder is the container's; only the kernel walks below it. */
  readonly path: string;
  /** Descriptor of it. */
  readonly fd: number;
  /** Fires when the container is removed. */
  readonly gone?: AbortSignal;
}

interface Held {
  readonly fd: number;
  readonly gone: AbortController;
  readonly close: () => Promise<void>;
  users: number;
}

/**
 * File trees of containers that do not run, held open for copies: detached mounts that no path leads to, so that no
 * lock is needed while a slow client reads. All copies of a container share one, and a start meanwhile takes its root
 * from it: two overlay mounts of one writable layer would not know of each other's files.
 */
export class HeldTrees {
  readonly #byId = new Map<string, Held>();

  /** The tree that is held already. The caller has the container's lock. */
  take(id: string): (ContainerRoot & AsyncDisposable) | undefined {
    const held = this.#byId.get(id);
    if (!held) return undefined;
    held.users++;
    return this.#use(id, held);
  }

  /** Holds what is mounted at a path. `close` runs when its last user is done. The caller has the container's lock. */
  keep(id: string, path: string, close: () => Promise<void>): ContainerRoot & AsyncDisposable {
    const held = { fd: cloneMount(path, { recursive: true }), gone: new AbortController(), close, users: 1 };
    this.#byId.set(id, held);
    return this.#use(id, held);
  }

  /** Mounts the root of the tree that is held, writable, without what is mounted in it; false when none is. */
  attachRoot(id: string, target: string): boolean {
    const held = this.#byId.get(id);
    if (!held) return false;
    const fd = cloneMount(pathOf(held), { recursive: false });
    try {
      setMountAttributes(fd, { clear: mountAttributes.readOnly });
      attachMount(fd, target);
    } finally {
      closeSync(fd);
    }
    return true;
  }

  /** The container goes: copies end, and say why. */
  drop(id: string): void {
    this.#byId.get(id)?.gone.abort();
  }

  #use(id: string, held: Held): ContainerRoot & AsyncDisposable {
    let done = false;
    return {
      path: pathOf(held),
      fd: held.fd,
      gone: held.gone.signal,
      [Symbol.asyncDispose]: async () => {
        if (done) return;
        done = true;
        if (--held.users > 0) return;
        this.#byId.delete(id);
        closeSync(held.fd);
        await held.close();
      },
    };
  }
}

const pathOf = ({ fd }: Held): string => `/proc/self/fd/${fd}`;
