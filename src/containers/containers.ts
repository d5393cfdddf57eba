import type { Duplex, Readable } from "node:stream";
import type { LogRecord } from "../logs/driver.ts";
import type { Change } from "../snapshots/snapshotter.ts";
import type { Caller } from "../spec/caller.ts";
import type {
  ContainerConfig,
  HostConfig,
  NetworkingConfig,
  Resources,
  RestartPolicy,
} from "../spec/engine/types.gen.ts";
import type { Stats } from "../metrics/stats.ts";
import type { Image } from "../images/image.ts";
import type { Container } from "./container.ts";
import type { EndpointSettings } from "../spec/engine/types.gen.ts";

/**
 * Everything that faces do with containers. `ref` is an id, a unique prefix of one, or a name with or without its
 * slash; unknown: not-found `No such container: x`. Reads answer from memory and never wait for a container.
 */
export interface Containers {
  create(
    request: CreateRequest,
    options: { name: string; platform: string; caller: Caller },
  ): Promise<{ id: string; warnings: string[] }>;
  get(ref: string): Container;
  list(): readonly Container[];
  start(ref: string, options: Asked & { detachKeys?: string }): Promise<void>;
  /** not-modified when it does not run. Seconds; undefined = the container's own, -1 = wait for ever. */
  stop(ref: string, options: Asked & { timeoutSeconds?: number; stopSignal?: string }): Promise<void>;
  restart(ref: string, options: Asked & { timeoutSeconds?: number; stopSignal?: string }): Promise<void>;
  /** `stopSignal` is a name (with or without SIG) or a number; empty = KILL. */
  kill(ref: string, options: Asked & { killSignal: string }): Promise<void>;
  pause(ref: string, options: Asked): Promise<void>;
  unpause(ref: string, options: Asked): Promise<void>;
  rename(ref: string, name: string, options: Asked): Promise<void>;
  remove(ref: string, options: Asked & { force: boolean; volumes: boolean; link: boolean }): Promise<void>;
  update(
    ref: string,
    change: Resources & { RestartPolicy?: RestartPolicy | null | undefined },
    options: Asked,
  ): Promise<{ warnings: string[] }>;
  /**
   * Registers the waiter before it returns, so that the caller can flush headers; `result` settles later. Throws
   * not-found at once.
   */
  wait(
    ref: string,
    condition: "not-running" | "next-exit" | "removed",
    signal?: AbortSignal,
  ): { result: Promise<{ exitCode: number; error?: string }> };
  resize(ref: string, size: { rows: number; columns: number }): Promise<void>;
  top(ref: string, psArgs: string, asked: Asked): Promise<{ titles: string[]; processes: string[][] }>;
  /** Live streams of the container. Multiplexed frames unless it has a TTY. Allowed before the start. */
  attach(ref: string, options: AttachOptions): Promise<Duplex>;
  /** Batches of records. Throws not-implemented when the driver cannot be read. */
  logs(ref: string, query: LogsQuery): AsyncIterable<readonly LogRecord[]>;
  /** One sample; zeros when it does not run. */
  stats(ref: string): Promise<Stats>;
  prune(
    options: Asked & { keep: (container: Container) => boolean },
  ): Promise<{ removed: string[]; reclaimedBytes: number }>;
  /** Bytes it wrote over its image, and the image's bytes. */
  size(ref: string): Promise<{ writableBytes: number; rootfsBytes: number }>;

  execCreate(ref: string, request: ExecRequest, options: Asked): Promise<string>;
  exec(execId: string): Exec;
  /** Starts it detached, or gives its streams as attach does. */
  execStart(
    execId: string,
    options: Asked & { detach: boolean; tty: boolean; size?: { rows: number; columns: number } },
  ): Promise<Duplex | undefined>;
  execResize(execId: string, size: { rows: number; columns: number }): Promise<void>;

  /** Makes an image of what the container changed. */
  commit(ref: string, request: CommitRequest): Promise<Image>;

  statPath(ref: string, path: string): Promise<PathStat>;
  /** A tar of the path under its base name; `path/.` gives the contents. */
  readArchive(ref: string, path: string, options: Asked): Promise<{ stat: PathStat; tar: Readable }>;
  writeArchive(
    ref: string,
    path: string,
    tar: Readable,
    options: Asked & { noOverwriteDirNonDir: boolean; copyOwner: boolean },
  ): Promise<void>;
  changes(ref: string): Promise<readonly Change[]>;
  export(ref: string, options: Asked): Promise<Readable>;

  /** Connects a container, running or not, to a network, and takes it off. */
  connectNetwork(ref: string, network: string, settings: EndpointSettings, options: Asked): Promise<void>;
  disconnectNetwork(ref: string, network: string, options: Asked & { force: boolean }): Promise<void>;
}

export interface CommitRequest extends Asked {
  readonly repository: string;
  readonly tag: string;
  readonly comment: string;
  readonly author: string;
  /** Freezes the container meanwhile. */
  readonly pause: boolean;
  /** Dockerfile lines laid over the configuration. */
  readonly changes: readonly string[];
  /** Replaces the container's own configuration where it is given. */
  readonly config: ContainerConfig | null;
}

/** Who asks, and their wish to stop waiting. */
export interface Asked {
  readonly caller: Caller;
  readonly signal?: AbortSignal;
}

export type CreateRequest = ContainerConfig & {
  HostConfig?: HostConfig | null | undefined;
  NetworkingConfig?: NetworkingConfig | null | undefined;
};

export interface AttachOptions extends Asked {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Replays the log first. */
  readonly logs: boolean;
  /** Goes on live; without it the stream ends after the replay. */
  readonly stream: boolean;
  /** Empty = the daemon's default. Bytes are matched only with a TTY and stdin. */
  readonly detachKeys: string;
}

export interface LogsQuery {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly sinceNs: bigint;
  readonly untilNs: bigint;
  readonly tail: number | "all";
  readonly follow: boolean;
  /** Told once the log is open: from then on its removal takes nothing from this reader. */
  readonly opened?: () => void;
  readonly signal?: AbortSignal;
}

export interface ExecRequest {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  readonly tty: boolean;
  readonly privileged: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly detachKeys: string;
  readonly size?: { rows: number; columns: number };
}

export interface Exec {
  readonly id: string;
  readonly containerId: string;
  readonly request: ExecRequest;
  readonly running: boolean;
  /** null until it ends. */
  readonly exitCode: number | null;
  readonly pid: number;
}

export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** Go's os.FileMode bits, as Docker's header has them. */
  readonly mode: number;
  readonly mtime: string;
  readonly linkTarget: string;
}
