import type { Place } from "./dockerfile/dockerfile-error.ts";
import type { RunMount } from "./dockerfile/run-mount.ts";

/**
 * One thing to make: a file system, from other file systems. Nothing is run when the graph is made. Vertices are
 * compared by identity; the same instruction of a stage is one vertex however many need it.
 */
export interface Vertex {
  readonly op: Op;
  /** `[build 2/5] RUN make`, as progress shows it. */
  readonly name: string;
  /** Where it stands in the Dockerfile; null for what the engine adds. */
  readonly place: Place | null;
  /** `--no-cache`, `--no-cache-filter`. */
  readonly ignoreCache: boolean;
  /** Files that change in it get no later time: SOURCE_DATE_EPOCH, in seconds. */
  readonly epochSeconds: number | null;
}

export type Op = ImageOp | ScratchOp | RunOp | FilesOp;

/** Layers of an image that is in the store. */
export interface ImageOp {
  readonly kind: "image";
  readonly reference: string;
  readonly imageId: string;
  readonly layers: readonly { readonly chainId: string; readonly diffId: string }[];
}

export interface ScratchOp {
  readonly kind: "scratch";
}

/** A process in a copy of `base`; what it changed is the new layer. */
export interface RunOp {
  readonly kind: "run";
  readonly base: Vertex;
  readonly args: readonly string[];
  /** `K=V`: the image's variables and the build arguments in scope. */
  readonly env: readonly string[];
  /** Reach the process, never the cache key: proxies. */
  readonly hiddenEnv: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly mounts: readonly MountOf[];
  /** A script in a here-document that names its own interpreter: a file at /dev/pipes/<name>. */
  readonly script: { readonly name: string; readonly content: string } | null;
  readonly network: "default" | "none" | "host";
  readonly security: "sandbox" | "insecure";
}

export interface MountOf {
  readonly mount: RunMount;
  /** What `from` names; null without one. A bind without `from` is of the build context. */
  readonly from: SourceOf | null;
}

/** Where files come from. */
export type SourceOf =
  | { readonly kind: "vertex"; readonly vertex: Vertex }
  /** Empty name = the build context; others are `--build-context`. */
  | { readonly kind: "context"; readonly name: string };

/** Files put into a copy of `base`; what changed is the new layer. */
export interface FilesOp {
  readonly kind: "files";
  readonly base: Vertex;
  readonly action: FileAction;
  /** `--link`: made over nothing and laid over `base`; the base is no part of its key. */
  readonly link: boolean;
}

export type FileAction =
  | {
      readonly kind: "mkdir";
      /** Absolute. Missing parents are made, too. */
      readonly path: string;
      /** `user[:group]`, looked up in `base`; empty = root. */
      readonly owner: string;
    }
  | CopyAction;

export interface CopyAction {
  readonly kind: "copy";
  readonly instruction: "COPY" | "ADD";
  readonly sources: readonly CopySource[];
  /** Absolute. Ends in a slash when it must be a folder. */
  readonly destination: string;
  readonly owner: string;
  /** Octal digits or `u+x`; empty = as they are. */
  readonly mode: string;
  readonly parents: boolean;
  readonly excludes: readonly string[];
}

export type CopySource =
  | { readonly kind: "paths"; readonly from: SourceOf; readonly patterns: readonly string[]; readonly unpack: boolean }
  | { readonly kind: "text"; readonly name: string; readonly content: string }
  | { readonly kind: "url"; readonly url: string; readonly checksum: string; readonly unpack: boolean }
  | { readonly kind: "git"; readonly url: string; readonly keepGitDir: boolean; readonly checksum: string };

/** The vertices that one needs directly. */
export function inputsOf({ op }: Vertex): Vertex[] {
  switch (op.kind) {
    case "image":
    case "scratch":
      return [];
    case "run":
      return [op.base, ...op.mounts.flatMap(({ from }) => (from?.kind === "vertex" ? [from.vertex] : []))];
    case "files":
      return [
        op.base,
        ...(op.action.kind === "copy" ? op.action.sources : []).flatMap((source) =>
          source.kind === "paths" && source.from.kind === "vertex" ? [source.from.vertex] : [],
        ),
      ];
  }
}

/** The vertex and all that it needs, inputs before what needs them. */
export function reachable(target: Vertex): Vertex[] {
  const order: Vertex[] = [];
  const seen = new Set<Vertex>();
  const visit = (vertex: Vertex): void => {
    if (seen.has(vertex)) return;
    seen.add(vertex);
    for (const input of inputsOf(vertex)) visit(input);
    order.push(vertex);
  };
  visit(target);
  return order;
}
