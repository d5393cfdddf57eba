import type { Warning } from "./dockerfile/lint.ts";

/** What happens while a build goes on, in the order in which it happens. Times are nanoseconds since the epoch. */
export type BuildEvent =
  | { readonly kind: "vertex"; readonly vertex: VertexStatus }
  | { readonly kind: "log"; readonly log: VertexLog }
  | { readonly kind: "progress"; readonly progress: VertexProgress }
  | { readonly kind: "warning"; readonly warning: Warning }
  /** Something that did not stop the build: a cache that could not be read. */
  | { readonly kind: "notice"; readonly text: string }
  /** Why a step was not found in the cache, or where it was. Only when it was asked for. */
  | { readonly kind: "explain"; readonly vertexId: string; readonly text: string };

/** A vertex as it is now. It is told again at each change. */
export interface VertexStatus {
  /** `sha256:<hex>`, the same for the whole build. */
  readonly id: string;
  readonly name: string;
  readonly inputs: readonly string[];
  /** 0n = not yet. */
  readonly startedNs: bigint;
  readonly completedNs: bigint;
  readonly cached: boolean;
  /** Empty while all is well. */
  readonly error: string;
}

export interface VertexLog {
  readonly vertexId: string;
  readonly stream: "stdout" | "stderr";
  readonly bytes: Uint8Array;
  readonly atNs: bigint;
}

/** A part of a vertex that can be counted: bytes of a download, layers. */
export interface VertexProgress {
  readonly vertexId: string;
  readonly id: string;
  readonly current: number;
  /** 0 = not known. */
  readonly total: number;
  readonly startedNs: bigint;
  readonly completedNs: bigint;
}
