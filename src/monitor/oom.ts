import { existsSync, type FSWatcher, readFileSync, watch } from "node:fs";
import { join } from "node:path";
import { makeEventfd, watchOom } from "../kernel/eventfd.ts";

/** How many processes of the cgroup the kernel has killed for want of memory; 0 when that cannot be told. */
export function oomKills(memoryCgroup: string): number {
  return look(memoryCgroup).kills;
}

function look(memoryCgroup: string): { kills: number; stuck: boolean } {
  // v1: memory.oom_control, v2: memory.events; both have a row `oom_kill N`
  for (const file of ["memory.oom_control", "memory.events"]) {
    try {
      const text = readFileSync(join(memoryCgroup, file), "utf8");
      const count = /^oom_kill (\d+)$/m.exec(text)?.[1];
      if (count !== undefined) return { kills: Number(count), stuck: /^under_oom 1$/m.test(text) };
    } catch {
      // the other version's file, or the cgroup is gone
    }
  }
  return { kills: 0, stuck: false };
}

interface Watched {
  readonly cgroup: string;
  readonly watcher: FSWatcher | undefined;
  kills: number;
  stuck: boolean;
}

/** The kernel tells of removed cgroups too: one look at all of them serves many. */
const collectMs = 20;

/**
 * Tells when containers run out of memory while they live. On cgroup v1 one eventfd serves all of them, on v2 each has
 * an inotify watch on its memory.events.
 */
export class OomWatch {
  readonly #tell: (id: string) => void;
  readonly #watched = new Map<string, Watched>();
  #eventfd: number | undefined;
  #soon = false;

  constructor(tell: (id: string) => void) {
    this.#tell = tell;
  }

  /** From now on; kills of before (an adopted container's) count as told. A cgroup without memory control is let be. */
  add(id: string, cgroup: string): void {
    try {
      const events = join(cgroup, "memory.events");
      let watcher: FSWatcher | undefined;
      if (existsSync(join(cgroup, "cgroup.event_control"))) watchOom(cgroup, this.#shared());
      else if (existsSync(events)) watcher = watch(events, () => this.#look(id));
      else return;
      watcher?.on("error", () => {}); // the cgroup was removed
      this.#watched.set(id, { cgroup, watcher, ...look(cgroup) });
    } catch (error) {
      // its end says it still
      console.error(`the memory of container ${id} is not watched:`, error);
    }
  }

  /** Its end: whether a kill has not been told yet. Then it is let go. */
  remove(id: string): boolean {
    const watched = this.#watched.get(id);
    if (!watched) return false;
    this.#watched.delete(id);
    watched.watcher?.close();
    return look(watched.cgroup).kills > watched.kills;
  }

  #shared(): number {
    if (this.#eventfd !== undefined) return this.#eventfd;
    const fd = makeEventfd();
    this.#eventfd = fd;
    void this.#follow(fd);
    return fd;
  }

  async #follow(fd: number): Promise<void> {
    for await (const _ of Bun.file(fd).stream()) {
      if (this.#soon) continue;
      this.#soon = true;
      setTimeout(() => {
        this.#soon = false;
        for (const id of this.#watched.keys()) this.#look(id);
      }, collectMs);
    }
  }

  #look(id: string): void {
    const watched = this.#watched.get(id);
    if (!watched) return;
    const { kills, stuck } = look(watched.cgroup);
    const news = kills > watched.kills || (stuck && !watched.stuck);
    watched.kills = Math.max(kills, watched.kills);
    watched.stuck = stuck;
    if (news) this.#tell(id);
  }
}
