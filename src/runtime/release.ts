import { closeSync, constants, openSync, readFileSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/** How long a created init may take to come to its FIFO; then the runtime's own program is asked. */
const waitMs = 50;
/** It is mostly there within this time, and a timer would take longer. */
const closeByMs = 1;

/**
 * Starts a created container without running the runtime once more (which costs 3 ms): its init waits at
 * `<root>/<id>/exec.fifo`, and all that the program's `start` does is to go there. False when that way is closed.
 */
export function releaseCrun(root: string, id: string): Promise<boolean> {
  const folder = join(root, id);
  if (hasStartHooks(join(folder, "config.json"))) return Promise.resolve(false);
  return atFifo(folder, constants.O_WRONLY, (fd) => writeSync(fd, "\0") === 1); // crun's init reads one byte
}

/** runc's init writes, and the one who starts it reads. */
export function releaseRunc(root: string, id: string): Promise<boolean> {
  const folder = join(root, id);
  if (hasStartHooks(join(folder, "state.json"))) return Promise.resolve(false);
  const byte = Buffer.alloc(1);
  return atFifo(folder, constants.O_RDONLY, (fd) => readSync(fd, byte, 0, 1, null) === 1);
}

async function atFifo(folder: string, flag: number, meet: (fd: number) => boolean): Promise<boolean> {
  const path = join(folder, "exec.fifo");
  const deadline = performance.now() + waitMs;
  let fd = -1;
  try {
    while (performance.now() < deadline) {
      try {
        if (fd === -1) fd = openSync(path, flag | constants.O_NONBLOCK);
        if (meet(fd)) {
          rmSync(path, { force: true });
          return true;
        }
      } catch (error) {
        // ENXIO, EAGAIN: init is not at the FIFO yet, or never comes
        if (!["ENXIO", "EAGAIN"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
      }
      const waitedMs = waitMs - (deadline - performance.now());
      if (waitedMs < closeByMs) await new Promise((resolve) => setImmediate(resolve));
      else await Bun.sleep(1);
    }
    return false;
  } finally {
    if (fd !== -1) closeSync(fd);
  }
}

/** Hooks that the program's `start` runs. */
function hasStartHooks(file: string): boolean {
  try {
    return /"post-?start"\s*:\s*\[\s*\{/i.test(readFileSync(file, "utf8"));
  } catch {
    return true; // not the version we know
  }
}
