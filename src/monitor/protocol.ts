import type { LogTarget } from "../logs/driver.ts";
import type { RuntimeChoice } from "../runtime/driver.ts";

/**
 * What daemon and monitor say to each other: JSON lines over `<exec-root>/monitor/control.sock`. A request is
 * `{n, op, args}`, its answer `{n, ok}` or `{n, error: {kind, message}}`, an event `{event}`. The version changes only
 * when an old peer could not go on; then the daemon lets the monitor upgrade itself by execve first.
 *
 * Streams use `<exec-root>/monitor/attach.sock`: one JSON line (StreamRequest), one JSON line back, then raw bytes:
 * output (Docker's 8-byte frames, or raw with a TTY) one way, stdin the other; half-close ends stdin.
 * Descriptors (pty masters, stdin ends) are held by both processes: `fds` sends the monitor's to a socket that the
 * daemon listens on; before `adopt` the daemon sends them to the monitor's `<exec-root>/monitor/adopt.sock`.
 */
export const protocolVersion = 1;

export interface Operations {
  hello: { args: { version: number }; ok: { version: number; pid: number; bootId: string } };
  /** All that the monitor has, and exits not yet acknowledged. */
  list: { args: Record<string, never>; ok: { containers: MonitoredContainer[]; exits: ExitEvent[] } };
  /** Makes stdio, runs the runtime's create, begins to pump. The process waits for start. */
  create: { args: CreateProcess; ok: ProcessIdentity };
  start: { args: { id: string; run: number }; ok: Record<string, never> };
  /** Undoes a create that shall not be started: kills, reaps, closes stdio, runtime delete. Idempotent. */
  discard: { args: { id: string }; ok: Record<string, never> };
  exec: { args: ExecProcess; ok: ProcessIdentity };
  resize: { args: { id: string; execId?: string; rows: number; columns: number }; ok: Record<string, never> };
  /** The daemon has written the exit down; the monitor forgets it. */
  acknowledge: { args: { id: string; run: number; execId?: string }; ok: Record<string, never> };
  /** Takes over containers that run already (after the monitor died): FIFOs by path, pids by identity. */
  adopt: { args: { containers: AdoptProcess[] }; ok: { adopted: string[]; gone: ExitEvent[] } };
  /** Sends pty masters and stdin ends, of one owner or of all, each message a HeldDescriptor. */
  fds: { args: { socket: string; id?: string; execId?: string }; ok: { sent: number } };
  /** The daemon has reaped an orphan whose monitor had died. */
  reaped: { args: { pid: number; exitCode: number }; ok: Record<string, never> };
  /** Replaces itself by that program (path first), keeping pid, children and descriptors. */
  upgrade: { args: { command: readonly string[] }; ok: Record<string, never> };
  /** Ends the monitor if nothing runs; conflict otherwise. */
  shutdown: { args: Record<string, never>; ok: Record<string, never> };
}

/** Text of a message with one descriptor. */
export interface HeldDescriptor {
  readonly id: string;
  readonly execId?: string;
  readonly what: "pty" | "stdin";
}

export type Operation = keyof Operations;

export interface CreateProcess {
  readonly id: string;
  readonly run: number;
  readonly runtime: RuntimeChoice;
  readonly bundle: string;
  readonly tty: boolean;
  readonly openStdin: boolean;
  /** Stdin is closed when the first attached client half-closes. */
  readonly stdinOnce: boolean;
  readonly size: { readonly rows: number; readonly columns: number } | null;
  readonly log: LogTarget;
  /** Folders of the container's cgroup, to see OOM kills: `memory` controller folder on v1, the cgroup on v2. */
  readonly memoryCgroup: string;
}

export interface ExecProcess {
  readonly id: string;
  readonly execId: string;
  readonly runtime: RuntimeChoice;
  /** OCI process object, already written. */
  readonly processFile: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly size: { readonly rows: number; readonly columns: number } | null;
}

export interface AdoptProcess extends CreateProcess {
  readonly identity: ProcessIdentity;
  readonly started: boolean;
  readonly execs: readonly (ExecProcess & { readonly identity: ProcessIdentity })[];
}

export interface ProcessIdentity {
  readonly pid: number;
  /** `ino:<pidfd inode>` (Linux >= 6.9) or `start:<clock ticks>`. */
  readonly identity: string;
}

export interface MonitoredContainer extends ProcessIdentity {
  readonly id: string;
  readonly run: number;
  readonly started: boolean;
  readonly execs: readonly { readonly execId: string; readonly pid: number }[];
}

/** A process ended. Kept on disk until acknowledged. */
export interface ExitEvent {
  readonly kind: "exit";
  readonly id: string;
  readonly run: number;
  readonly execId?: string;
  /** 0-255; 128+n for a signal n. 255 with `unknown` when nobody could tell. */
  readonly exitCode: number;
  readonly unknown?: boolean;
  readonly oomKilled: boolean;
  /** Decimal nanoseconds since the epoch. */
  readonly atNs: string;
}

export interface OomEvent {
  readonly kind: "oom";
  readonly id: string;
}

/** The stdin of a process has ended: who holds a copy of its descriptor closes it, or there is no end. */
export interface StdinClosedEvent {
  readonly kind: "stdin-closed";
  readonly id: string;
  readonly execId?: string;
}

export type MonitorEvent = ExitEvent | OomEvent;
export type WireEvent = MonitorEvent | StdinClosedEvent;

/** First line on the attach socket. A container that does not run yet may be named: its next run is attached. */
export interface StreamRequest {
  readonly id: string;
  readonly execId?: string;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Stays connected over runs; otherwise the stream ends with the run. */
  readonly framing: "multiplexed" | "raw";
}
