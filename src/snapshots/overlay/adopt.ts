import { EngineError } from "../../base/errors.ts";
import { WorkerPool } from "../../base/worker-pool.ts";
import type { AppliedLayer, ApplyReply } from "../apply/appliers.ts";

export interface AdoptRequest {
  /** Tree that nobody changes any more, with overlayfs' marks. */
  readonly folder: string;
  /** File for the records from which the archive can be made. */
  readonly split: string;
  /** Later times become this one (SOURCE_DATE_EPOCH); null = times stay. */
  readonly notAfterSeconds: number | null;
}
export type AdoptReply = ApplyReply;

/** Makes layers of trees that are in their place already. */
export class Adopters {
  readonly #pool = new WorkerPool<AdoptRequest, AdoptReply>({
    url: new URL("./adopt-worker.ts", import.meta.url).href,
    maxWorkers: 2,
    what: "the thread that makes layers",
  });

  /** Reads the tree once: size, digest and records of the archive that it is. */
  async adopt(request: AdoptRequest): Promise<AppliedLayer> {
    const reply = await this.#pool.ask(request);
    if (!reply.ok) throw new EngineError(reply.kind, reply.message);
    return reply;
  }
}
