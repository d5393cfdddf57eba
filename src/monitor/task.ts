import { nowNs } from "../base/clock.ts";
import { setTtySize } from "../kernel/tty.ts";
import type { LogWriter } from "../logs/driver.ts";
import type { Hub } from "./hub.ts";
import { Output } from "./output.ts";
import type { CreateProcess, ExecProcess, ProcessIdentity } from "./protocol.ts";
import { removeFifos, type OpenStdio } from "./stdio.ts";
import { Stdin } from "./stdin.ts";

/** A container's init, or a process joined to it, with its stdio. */
export class Task {
  readonly id: string;
  readonly run: number;
  readonly execId: string | undefined;
  readonly spec: CreateProcess | ExecProcess;
  readonly process: ProcessIdentity;
  readonly hub: Hub;
  readonly log: LogWriter | undefined;
  readonly prefix: string;
  readonly pty: number | undefined;
  readonly stdin: Stdin | undefined;
  readonly outputs: Output[] = [];
  started = false;
  ended = false;
  /** Its end is nobody's business: the create is being undone. */
  discarded = false;
  /** Settles when the answer that tells of this process is on its way: its exit must not overtake it. */
  announced: Promise<void> = Promise.resolve();
  /** Settles when everything about it is finished. */
  readonly finished: Promise<void>;
  readonly finish: () => void;

  readonly #stdio: { pty: number } | OpenStdio;

  constructor(options: {
    run: number;
    spec: CreateProcess | ExecProcess;
    process: ProcessIdentity;
    hub: Hub;
    log?: LogWriter | undefined;
    prefix: string;
    stdio: { pty: number } | OpenStdio;
    onStdinClosed?: (task: Task) => void;
  }) {
    this.spec = options.spec;
    this.id = options.spec.id;
    this.run = options.run;
    this.execId = "execId" in options.spec ? options.spec.execId : undefined;
    this.process = options.process;
    this.hub = options.hub;
    this.log = options.log;
    this.prefix = options.prefix;
    ({ promise: this.finished, resolve: this.finish } = Promise.withResolvers<void>());
    const { stdio } = options;
    this.#stdio = stdio;
    if ("pty" in stdio) {
      this.pty = stdio.pty;
      this.stdin = new Stdin(stdio.pty, { ownsFd: false });
      this.outputs.push(new Output(stdio.pty, { tty: true, take: (chunk) => this.#take("stdout", chunk) }));
    } else {
      this.stdin =
        stdio.stdin === undefined
          ? undefined
          : new Stdin(stdio.stdin, { ownsFd: true, onClosed: () => options.onStdinClosed?.(this) });
      for (const stream of ["stdout", "stderr"] as const) {
        const fd = stdio[stream];
        if (fd !== undefined)
          this.outputs.push(new Output(fd, { tty: false, take: (chunk) => this.#take(stream, chunk) }));
      }
    }
    const stdinOnce = "execId" in options.spec || options.spec.stdinOnce;
    this.hub.open({ tty: this.pty !== undefined, stdinOnce }, this.stdin);
  }

  /** Our descriptors of its stdio that are open still. */
  get stdio(): { pty: number } | OpenStdio {
    if ("pty" in this.#stdio) return this.#stdio;
    const { stdin, stdout, stderr } = this.#stdio;
    return { stdin: this.stdin?.closed ? undefined : stdin, stdout, stderr };
  }

  resize(rows: number, columns: number): void {
    if (this.pty !== undefined) setTtySize(this.pty, rows, columns);
  }

  /** After its end: delivers what is left of its output, then lets go of everything but its clients. */
  async drain(): Promise<void> {
    this.hub.release();
    await Promise.all(this.outputs.map((output) => output.drain()));
    this.stdin?.close();
    for (const output of this.outputs) output.close();
    removeFifos(this.prefix);
    await this.log?.close();
    if (this.log?.lostBytes) console.error(`container ${this.id}: its log lost ${this.log.lostBytes} bytes of output`);
  }

  #take(stream: "stdout" | "stderr", chunk: Uint8Array): Promise<void> | undefined {
    const told = this.hub.output(stream, chunk);
    const logged = this.log?.write(stream, chunk, nowNs());
    return told && logged ? Promise.all([told, logged]).then(() => {}) : (told ?? logged);
  }
}
