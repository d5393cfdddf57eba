/**
 * An OCI runtime, driven by its command line (runc's, which crun and others share). All methods reject with an
 * EngineError whose message keeps the runtime's own text: Docker's clients match on it.
 */
export interface RuntimeDriver {
  readonly name: string;
  readonly path: string;
  /** Folder of the runtime's own state (`--root`), one per engine. */
  readonly root: string;
  /**
   * Creates the container's init, which waits for start. `stdio` are descriptors the container inherits; with a TTY
   * the pty master arrives at `consoleSocket`. Not idempotent; the caller deletes after a failure. Gives the host pid.
   */
  create(options: CreateOptions): Promise<number>;
  /**
   * Removes all that a create left which failed or was cut off: its process, what the runtime keeps of it, and the
   * cgroup folders that crun leaves when a limit is refused. Idempotent.
   */
  undoCreate(id: string, bundle: string): Promise<void>;
  start(id: string): Promise<void>;
  /** Joins a process to a running container, detached. Gives the host pid. */
  exec(options: ExecOptions): Promise<number>;
  /** Sends a signal to init, or to every process with `all`. not-found when init is gone. */
  kill(id: string, signal: number, options?: { all?: boolean }): Promise<void>;
  /** Begins an exec whose process object comes later; see StandbyExec. */
  standbyExec?(options: Omit<ExecOptions, "processFile" | "consoleSocket" | "signal">): StandbyExec;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  /** Applies OCI `linux.resources` to a running container. */
  update(id: string, resources: object): Promise<void>;
  /** Removes what the runtime keeps of the container (cgroup included). Idempotent: an unknown id is success. */
  delete(id: string, options?: { force?: boolean }): Promise<void>;
  /** Pids on the host of all processes in the container. */
  pids(id: string): Promise<number[]>;
  /**
   * Base64 of the seccomp filter that the runtime compiled for this container, valid between create and delete. Given
   * back as annotation `run.oci.seccomp_bpf_data` it saves crun 8 ms a create. Absent or undefined: it keeps none.
   */
  compiledSeccomp?(id: string): Promise<string | undefined>;
}

export interface StdioFds {
  readonly stdin: number | "ignore";
  readonly stdout: number | "ignore";
  readonly stderr: number | "ignore";
}

export interface CreateOptions {
  readonly id: string;
  /** Folder with config.json. */
  readonly bundle: string;
  readonly consoleSocket?: string;
  readonly stdio: StdioFds;
  readonly signal?: AbortSignal;
}

export interface ExecOptions {
  readonly id: string;
  /** File with an OCI process object. */
  readonly processFile: string;
  /** Where the runtime writes the pid. */
  readonly pidFile: string;
  readonly consoleSocket?: string;
  readonly stdio: StdioFds;
  readonly signal?: AbortSignal;
}

/** An exec that was begun before it is known of what: its program is loaded, and waits for its process object. */
export interface StandbyExec {
  /** It waits still; one that does not has failed, and is dropped. */
  readonly ready: boolean;
  /** As exec(), once. */
  run(process: string, options: { signal?: AbortSignal }): Promise<number>;
  /** Gives it up. Idempotent. */
  drop(): void;
}

/** Which runtime program, as the daemon tells the monitor. */
export interface RuntimeChoice {
  readonly name: string;
  /** As the probe found it; absent: by the program's file name. */
  readonly family?: "crun" | "runc" | "other";
  readonly path: string;
  readonly args: readonly string[];
  readonly root: string;
}
