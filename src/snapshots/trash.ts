import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Where folders go to be deleted: the rename is at once, the deleting goes on in the background, one after the other,
 * as it may take seconds. What is left when the process ends is deleted by the next one.
 */
export class Trash {
  readonly #folder: string;
  #work: Promise<void> = Promise.resolve();
  #count = 0;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(folder)) this.#delete(join(folder, name));
  }

  /** Takes the path away. No error when it is not there. */
  put(path: string): void {
    const place = join(this.#folder, `${process.pid}-${Date.now()}-${++this.#count}`);
    try {
      renameSync(path, place);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
      throw error;
    }
    this.#delete(place);
  }

  /** Takes everything in the folder away. */
  sweep(folder: string): void {
    for (const name of readdirSync(folder)) this.put(join(folder, name));
  }

  settled(): Promise<void> {
    return this.#work;
  }

  #delete(path: string): void {
    this.#work = this.#work
      .then(() => rm(path, { recursive: true, force: true, maxRetries: 3 }))
      .catch(() => {
        // still busy, or a file made immutable: the next start tries again
      });
  }
}
