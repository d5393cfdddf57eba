import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { unmountAll } from "../../kernel/mount.ts";

/** A folder for one step's mounts and files; everything in it goes when it is disposed. */
export class WorkFolder implements AsyncDisposable {
  readonly path: string;
  #count = 0;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(root: string, id: string): Promise<WorkFolder> {
    const path = join(root, id.slice(0, 24));
    await mkdir(path, { recursive: true, mode: 0o700 });
    return new WorkFolder(path);
  }

  /** A new folder in it. */
  async folder(mode = 0o755): Promise<string> {
    const path = join(this.path, String(++this.#count));
    await mkdir(path, { mode });
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    unmountAll(this.path);
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Takes away what steps of an earlier process left. */
export async function sweepWork(root: string): Promise<void> {
  unmountAll(root);
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true, mode: 0o700 });
}
