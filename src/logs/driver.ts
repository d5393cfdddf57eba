/** Where a container's output goes and how; written by the daemon, read by the monitor. Plain data. */
export interface LogTarget {
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
  readonly containerId: string;
  /** Folder of this container's log files, exists. */
  readonly folder: string;
  /** Extra attributes (labels, env by log-opt) kept with each record, for `--details`. */
  readonly attributes: Readonly<Record<string, string>>;
}

export type LogStream = "stdout" | "stderr";

/** Writes one container's output. Lives in the monitor; one per run, opened again over the same files. */
export interface LogWriter {
  /** Bytes that could not be written, or were dropped in non-blocking mode. */
  readonly lostBytes?: number;
  /**
   * Takes a chunk as it was read. Resolves when the next may be given: not reading on is the back-pressure.
   * Splits lines; lines over 16 KiB become partial records (moby parity). Never throws for a full disk: output is
   * counted as lost and the container goes on.
   */
  write(stream: LogStream, chunk: Uint8Array, timeNs: bigint): Promise<void>;
  /** Writes what is pending (a last line without newline) and closes the files. */
  close(): Promise<void>;
}

/** A record of a log. `line` has its newline unless the record is partial. */
export interface LogRecord {
  readonly stream: LogStream;
  readonly timeNs: bigint;
  readonly line: Uint8Array;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface LogQuery {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** 0n = from the beginning. */
  readonly sinceNs: bigint;
  /** 0n = no end. */
  readonly untilNs: bigint;
  /** Last n records (of the chosen streams, after since); "all" = every one. */
  readonly tail: number | "all";
  /** Goes on with new records until `ended` fires and all that was written before it was given. */
  readonly follow: boolean;
  readonly ended?: AbortSignal;
  /** Told once the files are open: what they hold, and what is written now, is read even if the log is removed. */
  readonly opened?: () => void;
  readonly signal?: AbortSignal;
}

/** A log driver. `read` is absent where the place cannot be read back (501 at the API). */
export interface LogDriver {
  readonly name: string;
  /** Throws EngineError invalid naming the option. */
  validate(options: Readonly<Record<string, string>>): void;
  open(target: LogTarget): Promise<LogWriter>;
  /** Batches of records, exact across rotation. */
  read?(target: LogTarget, query: LogQuery): AsyncIterable<readonly LogRecord[]>;
  /**
   * The same records as bytes ready to send: each line behind Docker's 8-byte header, or raw. For queries that show
   * neither times nor attributes, where it costs a fraction of `read`.
   */
  readFramed?(target: LogTarget, query: LogQuery, framing: "multiplexed" | "raw"): AsyncIterable<Uint8Array>;
}
