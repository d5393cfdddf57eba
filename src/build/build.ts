import type { Credentials } from "../distribution/registries.ts";
import type { Caller } from "../spec/caller.ts";
import type { BuildContext } from "./context/build-context.ts";
import type { SyncedFolders } from "./context/synced-folders.ts";
import type { CacheRecord } from "./cache/cache-record.ts";
import type { KeptContexts } from "./context/kept-contexts.ts";
import type { Warning } from "./dockerfile/lint.ts";
import type { BuildEvent } from "./events.ts";
import type { FrontendOptions, PlannedStep } from "./frontend/build-plan.ts";
import type { Vertex } from "./graph.ts";
import type { StepLimits } from "./step-runner.ts";

/** Builds images. Faces (the classic endpoint, our own, BuildKit's) turn what they are asked into these calls. */
export interface Builder {
  /**
   * Builds and exports. Everything that happens is told to `report` on the way. Throws EngineError: `invalid` for a
   * Dockerfile or a step that failed (detail: file, line, exitCode), `cancelled` when the signal fired. A build that
   * ends in an error leaves no image; what its steps made stays in the cache.
   */
  build(request: BuildRequest): Promise<BuildResult>;
  /** What the checks find, without building. Throws `invalid` for a file that cannot be read. */
  check(request: Pick<BuildRequest, "dockerfile" | "frontend">): Promise<readonly Warning[]>;
  /** Takes a context in that comes as a tar, plain or packed. Throws `invalid`. Its owner disposes it. */
  tarContext(source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<BuildContext>;
  /** A git repository, or a tar or Dockerfile at a URL; a Dockerfile alone gets `fileName`. */
  remoteContext(
    url: string,
    options: { signal: AbortSignal; fileName: string; keepGitDir: boolean },
  ): Promise<BuildContext>;
  /** Copies of clients' folders, for faces whose clients send only what changed. */
  readonly folders: SyncedFolders;
  /** Contexts of which clients send only what has changed. */
  readonly kept: KeptContexts;
  /** What is kept of earlier builds. Answers from memory. */
  cacheUsage(): readonly CacheRecord[];
  /** Removes records that nobody uses now and `keep` does not want; the least recently used go first. */
  pruneCache(options: PruneOptions): Promise<{ removed: readonly CacheRecord[]; reclaimedBytes: number }>;
  /** Builds that run and those that ended, newest first. */
  history(): readonly BuildRecord[];
  /** Forgets builds that ended. Throws not-found for an id that is none. */
  forget(id: string): void;
  /** Ends a running build. Idempotent. */
  cancel(id: string): void;
  close(): Promise<void>;
}

export interface BuildRequest {
  /** Empty = one is made. Two builds with one id at a time: conflict. */
  readonly id: string;
  readonly dockerfile: { readonly fileName: string; readonly text: string };
  /** By name; the build context has the empty one. Disposed by who made them. */
  readonly contexts: ReadonlyMap<string, BuildContext>;
  readonly frontend: Omit<FrontendOptions, "resolveImage">;
  /** Asks the registries for newer base images even when there is one. */
  readonly pull: boolean;
  /** For the registry of that domain. */
  credentials(domain: string): Promise<Credentials | undefined>;
  /** A secret's bytes; undefined when the client has none of that id. Asked at the step that needs it. */
  secret(id: string): Promise<Uint8Array | undefined>;
  /** Path of a unix socket on this host that speaks to the client's agent; disposed after the step. undefined = none. */
  ssh(id: string): Promise<(AsyncDisposable & { readonly path: string }) | undefined>;
  readonly network: string;
  readonly extraHosts: readonly string[];
  readonly hostname: string;
  readonly limits: StepLimits;
  /** `network.host`, `security.insecure` */
  readonly entitlements: ReadonlySet<string>;
  readonly cacheFrom: readonly CacheLocation[];
  readonly cacheTo: readonly CacheLocation[];
  /** Nothing = the result stays in the cache. */
  readonly exports: readonly Export[];
  readonly explain: boolean;
  readonly caller: Caller;
  readonly signal: AbortSignal;
  /** Awaited for output of steps: a slow reader slows them down. */
  report(event: BuildEvent): void | Promise<void>;
  /** Told once the graph is made, before anything runs: for faces that tell steps in order. */
  planned?(steps: readonly PlannedStep[], idOf: (vertex: Vertex) => string): void;
  /** Told as each vertex of a planned step is done. */
  made?(step: MadeStep): void;
}

/** The layer that a planned step gave. */
export interface MadeStep {
  readonly step: PlannedStep;
  readonly cached: boolean;
  /** Id that an image of the steps so far has. */
  readonly imageId: string;
}

/** `type=registry,ref=...`, `type=local,src=...,dest=...`, `type=inline`. */
export interface CacheLocation {
  readonly type: "registry" | "local" | "inline";
  /** A reference; of `local` the context in `contexts` that holds the folder. */
  readonly place: string;
  readonly mode: "min" | "max";
  /** Takes a local cache as a tar. */
  write?(bytes: Uint8Array): void | Promise<void>;
}

export type Export =
  /** Into the image store, under the references (none = without a name). */
  | { readonly type: "image"; readonly references: readonly string[]; readonly push: boolean }
  /** An archive as `docker save` or an OCI layout, or the root file system; bytes go to `write`. */
  | {
      readonly type: "docker" | "oci" | "tar" | "local";
      readonly references: readonly string[];
      write(bytes: Uint8Array): void | Promise<void>;
    };

export interface BuildResult {
  readonly id: string;
  /** `sha256:...` of the configuration; empty when no image was asked for. */
  readonly imageId: string;
  /** Digest of the manifest where one was written. */
  readonly manifestDigest: string;
  readonly warnings: readonly Warning[];
}

export interface PruneOptions {
  /** Removes also what images share and what is internal. */
  readonly all: boolean;
  readonly keep: (record: CacheRecord) => boolean;
  /** What may stay at most, and at least, and how much of the disk must be free; 0 = not asked. */
  readonly maxUsedBytes: number;
  readonly reservedBytes: number;
  readonly minFreeBytes: number;
}

export interface BuildRecord {
  readonly id: string;
  readonly name: string;
  readonly startedNs: bigint;
  /** 0n while it runs. */
  readonly completedNs: bigint;
  readonly status: "running" | "completed" | "error" | "cancelled";
  readonly error: string;
  readonly totalSteps: number;
  readonly completedSteps: number;
  readonly cachedSteps: number;
  readonly warnings: number;
  readonly imageId: string;
  readonly platform: string;
  readonly target: string;
}
