import { closeSync, existsSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { EngineError } from "../base/errors.ts";
import { setNonBlocking } from "../kernel/descriptor.ts";
import { growPipe, makeFifo, openFifo } from "../kernel/fifo.ts";
import { listenUnix, receiveDescriptors } from "../kernel/socket.ts";
import { setTtySize } from "../kernel/tty.ts";
import type { StdioFds } from "../runtime/driver.ts";

export interface WantedStdio {
  /** Folder and first letters of the FIFOs' names; a container can see them in /proc/self/fd. */
  readonly prefix: string;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** Our ends of a process's stdio. */
export interface OpenStdio {
  readonly stdin: number | undefined;
  readonly stdout: number | undefined;
  readonly stderr: number | undefined;
}

/** FIFOs that were made, and the ends for the child. */
export interface MadeFifos extends OpenStdio {
  readonly child: StdioFds;
  closeChild(): void;
  /** Closes all ends and removes the names, or those that they got since. */
  undo(prefix?: string): void;
}

/** 0622: a program that has changed its user may open /dev/stdout again; the folder keeps everybody else out. */
const outputMode = 0o622;
const stdinMode = 0o644;
const stdinPipeBytes = 1024 * 1024;

/** Beside its process object, in the container's bundle. */
export const execPrefix = (exec: { readonly processFile: string; readonly execId: string }): string =>
  join(dirname(exec.processFile), `${exec.execId.slice(0, 16)}.`);

export const fifoPath = (prefix: string, fd: 0 | 1 | 2): string => `${prefix}${fd}`;

/**
 * FIFOs for a process without a terminal. Its stdout and stderr are opened for both directions, so that it neither
 * fails nor loses output when this process dies; ours is a plain read end, which sees the end when its last holder
 * is gone. `child` is for the runtime and closed by `closeChild`.
 */
export function makeFifos(wanted: WantedStdio): MadeFifos {
  const opened: number[] = [];
  const ours: number[] = [];
  const own = (list: number[], fd: number): number => {
    list.push(fd);
    return fd;
  };
  const undo = (prefix = wanted.prefix): void => {
    for (const fd of [...opened.splice(0), ...ours.splice(0)]) closeSync(fd);
    removeFifos(prefix);
  };
  const output = (fd: 1 | 2): { child: number; ours: number } => {
    const path = fifoPath(wanted.prefix, fd);
    makeFifo(path, outputMode);
    return { child: own(opened, openFifo(path, "hold")), ours: own(ours, openFifo(path, "read")) };
  };
  removeFifos(wanted.prefix);
  try {
    const stdout = wanted.stdout ? output(1) : undefined;
    const stderr = wanted.stderr ? output(2) : undefined;
    let stdin: { child: number; ours: number } | undefined;
    if (wanted.stdin) {
      const path = fifoPath(wanted.prefix, 0);
      makeFifo(path, stdinMode);
      const hold = openFifo(path, "hold");
      stdin = { child: own(opened, openFifo(path, "child-read")), ours: own(ours, openFifo(path, "write")) };
      growPipe(hold, stdinPipeBytes);
      closeSync(hold);
    }
    return {
      stdin: stdin?.ours,
      stdout: stdout?.ours,
      stderr: stderr?.ours,
      child: { stdin: stdin?.child ?? "ignore", stdout: stdout?.child ?? "ignore", stderr: stderr?.child ?? "ignore" },
      closeChild: () => {
        for (const fd of opened.splice(0)) closeSync(fd);
      },
      undo,
    };
  } catch (error) {
    undo();
    throw error;
  }
}

/** Gives FIFOs other names. */
export function renameFifos(from: string, to: string): void {
  for (const fd of [0, 1, 2] as const)
    if (existsSync(fifoPath(from, fd))) renameSync(fifoPath(from, fd), fifoPath(to, fd));
}

export function removeFifos(prefix: string): void {
  for (const fd of [0, 1, 2] as const) rmSync(fifoPath(prefix, fd), { force: true });
}

/** The end of a FIFO that a process outside still uses; undefined when it was removed. */
export function reopenFifo(prefix: string, fd: 1 | 2): number | undefined {
  try {
    return openFifo(fifoPath(prefix, fd), "read");
  } catch {
    return undefined; // it had none, or its run was cleaned up
  }
}

/** A socket to which the runtime sends the pty's master. */
export class ConsoleSocket {
  static #count = 0;
  readonly path: string;
  readonly #listener: number;

  constructor(folder: string) {
    this.path = join(folder, `c${ConsoleSocket.#count++}`);
    rmSync(this.path, { force: true });
    this.#listener = listenUnix(this.path);
  }

  /** The pty master. After the runtime's end it waits in the backlog, so there is nothing to wait for. */
  receive(size: { rows: number; columns: number } | null): number {
    const message = receiveDescriptors(this.#listener);
    const [pty, ...more] = message?.fds ?? [];
    for (const fd of more) closeSync(fd);
    if (pty === undefined) throw new EngineError("internal", "the runtime sent no terminal");
    setNonBlocking(pty);
    if (size) setTtySize(pty, size.rows, size.columns);
    return pty;
  }

  close(): void {
    closeSync(this.#listener);
    rmSync(this.path, { force: true });
  }
}
