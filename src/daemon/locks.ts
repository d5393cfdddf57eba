import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { EngineError } from "../base/errors.ts";
import { tryLockFile } from "../kernel/descriptor.ts";

/**
 * Holds a file for as long as this process lives, with its pid inside. A kill lets go of it, and a number that another
 * program got since means nothing. Throws conflict naming who holds it.
 */
export function holdFile(path: string, refusal: (pid: string) => string): Disposable {
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(path, "a+", 0o644);
  if (!tryLockFile(fd)) {
    closeSync(fd);
    throw new EngineError("conflict", refusal(readFileSync(path, "utf8").trim() || "unknown"), { path });
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`);
  return {
    [Symbol.dispose]() {
      unlinkSync(path);
      closeSync(fd);
    },
  };
}

/** One daemon per data root, exec root and pidfile. */
export function holdRoots(roots: { dataRoot: string; execRoot: string; pidfile: string }): Disposable {
  using held = new DisposableStack();
  held.use(
    holdFile(
      join(roots.dataRoot, "daemon.lock"),
      (pid) => `another daemon (pid ${pid}) uses the data root ${roots.dataRoot}: stop it, or give another --data-root`,
    ),
  );
  held.use(
    holdFile(
      join(roots.execRoot, "daemon.lock"),
      (pid) => `another daemon (pid ${pid}) uses the exec root ${roots.execRoot}: stop it, or give another --exec-root`,
    ),
  );
  held.use(
    holdFile(
      roots.pidfile,
      (pid) =>
        `the pidfile ${roots.pidfile} belongs to a daemon that runs (pid ${pid}): stop it, or give another --pidfile`,
    ),
  );
  return held.move();
}
