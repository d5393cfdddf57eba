import type { Readable } from "node:stream";
import { EngineError } from "../../base/errors.ts";
import type { Caller } from "../../spec/caller.ts";
import type { PathStat } from "../containers.ts";
import type { ContainerDeps } from "../deps.ts";

/** Files in and out of containers. */
export class Archive {
  readonly deps: ContainerDeps;
  constructor(deps: ContainerDeps) {
    this.deps = deps;
  }
  async stat(_ref: string, _path: string): Promise<PathStat> {
    throw new EngineError("not-implemented", "cp is not built yet");
  }
  async read(_ref: string, _path: string, _caller: Caller): Promise<{ stat: PathStat; tar: Readable }> {
    throw new EngineError("not-implemented", "cp is not built yet");
  }
  async write(_ref: string, _path: string, _tar: Readable, _options: { caller: Caller; noOverwriteDirNonDir: boolean; copyOwner: boolean }): Promise<void> {
    throw new EngineError("not-implemented", "cp is not built yet");
  }
  async export(_ref: string, _caller: Caller): Promise<Readable> {
    throw new EngineError("not-implemented", "export is not built yet");
  }
}
