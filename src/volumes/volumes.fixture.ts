import { closeSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { EngineError } from "../base/errors.ts";
import type { EventInput } from "../events/bus.ts";
import { unmountAll } from "../kernel/mount.ts";
import { openStore, type Store } from "../store/open.ts";
import type { Archives } from "./books.ts";
import { openDrivers } from "./drivers.ts";
import { type OpenVolumes, openVolumes } from "./volumes.ts";

/** GNU tar does what the engine's own archives do, but for their care. */
export const tarArchives: Archives = {
  pack(folderFd) {
    const { stdout } = Bun.spawnSync(
      ["/bin/tar", "-C", "/proc/self/fd/3", "--xattrs", "--xattrs-include=*", "--sparse", "-cf", "-", "."],
      {
        stdio: ["ignore", "pipe", "ignore", folderFd],
      },
    );
    closeSync(folderFd);
    const tar = Readable.from([stdout]);
    return { tar, done: new Promise((resolve) => void tar.once("close", resolve)) };
  },
  async unpack(folder, tar) {
    const bytes = await Array.fromAsync<Buffer>(tar);
    const { exitCode } = Bun.spawnSync(["/bin/tar", "-C", folder, "--xattrs", "--xattrs-include=*", "-xpf", "-"], {
      stdio: [Buffer.concat(bytes), "ignore", "ignore"],
    });
    if (exitCode !== 0) throw new EngineError("invalid", "the archive is broken");
  },
};

/** Volumes in a temporary folder. */
export class VolumeLab implements AsyncDisposable {
  readonly root = mkdtempSync(join(tmpdir(), "berth-volumes-"));
  readonly events: EventInput[] = [];
  /** Renames that containers were told of, `old new`. */
  readonly followed: string[] = [];
  readonly warnings: string[] = [];
  store: Store;
  volumes: OpenVolumes;

  constructor() {
    [this.store, this.volumes] = this.#open();
  }

  /** As a daemon that was killed and started again. */
  reopen(): void {
    this.volumes.close();
    this.store.close();
    [this.store, this.volumes] = this.#open();
  }

  /** Runs work that is cut at a fault point, then starts again; containers of these ids are known, none runs. */
  async cutAt(point: string, work: () => Promise<unknown>, known: readonly string[] = []): Promise<void> {
    process.env["BERTH_FAULT"] = `${point}=fail`;
    try {
      await work().then(
        () => {
          throw new Error(`the work never came to ${point}`);
        },
        (error: unknown) => {
          if (!String(error).includes(`fault injected at ${point}`)) throw error;
        },
      );
    } finally {
      delete process.env["BERTH_FAULT"];
    }
    this.reopen();
    await this.volumes.reconcile({ known: new Set(known), running: new Set() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.volumes.close();
    this.store.close();
    unmountAll(this.root);
    rmSync(this.root, { recursive: true, force: true });
  }

  #open(): [Store, OpenVolumes] {
    const store = openStore(join(this.root, "state.db"));
    const volumes = openVolumes({
      db: store.db,
      dataRoot: this.root,
      events: { publish: (event) => void this.events.push(event) },
      log: (_level, message) => void this.warnings.push(message),
      drivers: openDrivers({
        folders: { sockets: [join(this.root, "plugins")], specs: [] },
        deadlines: { workMs: 500, askMs: 500 },
        forbidden: [join(this.root, "volumes")],
      }),
      archives: tarArchives,
      followRename: (from, to) => void this.followed.push(`${from} ${to.name}`),
    });
    return [store, volumes];
  }
}
