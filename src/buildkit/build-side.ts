import type { MessageInitShape } from "@bufbuild/protobuf";
import type { BuildRecord } from "../build/build.ts";
import type { UsageRecordSchema } from "../spec/buildkit/control.gen.ts";
import type { Job } from "./jobs.ts";

/** What one frontend run gave: an image for each platform, not exported yet. */
export interface Solution {
  /** By platform (`linux/amd64`); empty name when none was asked for. */
  readonly platforms: readonly string[];
  /** Answers of sub-requests (`frontend.lint`, ...) and what exporters need to know. */
  readonly metadata: Readonly<Record<string, Uint8Array>>;
}

export interface AskedSolve {
  /** Attributes of dockerfile.v0: `filename`, `target`, `platform`, `build-arg:X`, ... */
  readonly attributes: Readonly<Record<string, string>>;
  readonly cacheImports: readonly CacheEntry[];
}

export interface CacheEntry {
  readonly type: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface ExportRequest {
  /** `moby`, `image`, `local`, `tar`, `oci`, `docker`, `cacheonly`. */
  readonly type: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Position among the build's exporters: the client tells its own by it. */
  readonly id: string;
}

export type Usage = MessageInitShape<typeof UsageRecordSchema>;

/** What the services need of the builder; build-solver.ts makes it of build/'s. */
export interface BuildSide {
  readonly version: string;
  readonly platforms: readonly { os: string; architecture: string; variant: string }[];
  readonly hostGatewayIp: () => string;
  solve(job: Job<Solution>, request: AskedSolve, signal: AbortSignal): Promise<Solution>;
  /** Gives the exporter's response: `containerimage.digest`, ... */
  export(
    job: Job<Solution>,
    solution: Solution | undefined,
    options: { exports: readonly ExportRequest[]; cacheExports: readonly CacheEntry[]; signal: AbortSignal },
  ): Promise<Record<string, string>>;
  /** Builds of this engine, newest first. */
  history(): readonly BuildRecord[];
  /** Forgets a build that ended. Throws not-found. */
  forget(id: string): void;
  usage(filters: readonly string[]): Promise<readonly Usage[]>;
  prune(
    options: {
      filters: readonly string[];
      all: boolean;
      keepDurationNs: bigint;
      reservedBytes: bigint;
      maxUsedBytes: bigint;
      minFreeBytes: bigint;
    },
    job: { caller: Job<Solution>["caller"]; signal: AbortSignal },
  ): AsyncIterable<Usage>;
}
