import type { Images } from "../../images/images.ts";
import type { LayerStore } from "../../snapshots/layers.ts";
import type { Snapshotter } from "../../snapshots/snapshotter.ts";
import type { OciImageConfig } from "../../spec/oci/image.ts";
import type { BuildRequest } from "../build.ts";
import type { Solved } from "../solve/solver.ts";

/** What exports are made of. */
export interface ExportContext {
  readonly request: BuildRequest;
  readonly config: OciImageConfig;
  readonly configBytes: Buffer;
  readonly solved: Solved;
  readonly images: Images;
  readonly layers: Snapshotter & LayerStore;
  readonly workRoot: string;
}
