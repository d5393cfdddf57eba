import type { Image } from "../../images/image.ts";
import type { IgnorePatterns } from "../../spec/ignore-patterns.ts";
import type { OciHistory, OciRunConfig } from "../../spec/oci/image.ts";
import type { Place } from "../dockerfile/dockerfile-error.ts";
import type { Warning } from "../dockerfile/lint.ts";
import type { Vertex } from "../graph.ts";

/** What a Dockerfile is read with. */
export interface FrontendOptions {
  /** Stage to build; empty = the last one. */
  readonly target: string;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly labels: Readonly<Record<string, string>>;
  /** `linux/amd64`; empty = this machine's. */
  readonly platform: string;
  /** Stages whose steps are run anew; empty name in the list = those without a name. */
  readonly noCache: "all" | readonly string[];
  /** Network of RUN without `--network`. */
  readonly network: "default" | "none" | "host";
  /** How histories are written: as BuildKit does, or as the classic builder. */
  readonly style: "buildkit" | "classic";
  /** Patterns that the context was filtered with, for a check. */
  readonly ignore: IgnorePatterns | undefined;
  /** `--build-context`, by lower-case name. */
  readonly contexts: ReadonlyMap<string, NamedContext>;
  /** Finds a base image, pulls it when it is wanted and not here. */
  readonly resolveImage: (reference: string, platform: string) => Promise<Image>;
}

export type NamedContext = { readonly kind: "image"; readonly reference: string } | { readonly kind: "files" };

/** What shall be made: the graph, and the image that is written over its result. */
export interface BuildPlan {
  readonly root: Vertex;
  readonly image: PlannedImage;
  readonly warnings: readonly Warning[];
  /** Paths that the build reads of each context, by name (empty = the main one). `.` is everything. */
  readonly contextPaths: ReadonlyMap<string, readonly string[]>;
  /** Instructions of the stages that are needed, in the order of the file. */
  readonly steps: readonly PlannedStep[];
}

export interface PlannedImage {
  readonly config: OciRunConfig;
  readonly author: string;
  readonly platform: string;
  /** History and creation time of the base image. */
  readonly baseHistory: readonly OciHistory[];
  readonly baseCreated: string;
  /** Id of the base image; empty for scratch. */
  readonly baseImageId: string;
  readonly history: readonly HistoryStep[];
}

/** One entry of the history to be. */
export interface HistoryStep {
  /** `content` names what was copied: `file:<hash>`, for histories that show it. */
  createdBy(content: string): string;
  /** null for a step that changes the configuration alone. */
  readonly vertex: Vertex | null;
}

/** One instruction as the classic builder tells it, and the image as it is behind it. */
export interface PlannedStep extends Place {
  readonly text: string;
  /** Steps of a base image's ONBUILD have no number. */
  readonly onBuild: boolean;
  /** FROM only: how many triggers its base has. */
  readonly triggers: number;
  readonly vertex: Vertex;
  /** It makes a layer of its own. */
  readonly makesLayer: boolean;
  readonly image: PlannedImage;
}
