import { EngineError, errorKind } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { shortId } from "../../base/id.ts";
import { decompress } from "../../content/decompress.ts";
import type { ContentStore } from "../../content/store.ts";
import type { Receiving } from "../../content/receiving.ts";
import type { Repository } from "../../distribution/registries.ts";
import type { LayerStore, StagedLayer } from "../../snapshots/layers.ts";
import type { Snapshotter } from "../../snapshots/snapshotter.ts";
import type { OciDescriptor } from "../../spec/oci/descriptor.ts";
import type { Progress, Report } from "../images.ts";
import { all, asError } from "./settle.ts";
import { throttle } from "./throttle.ts";

/** A layer of an image that is being pulled. */
export interface WantedLayer {
  readonly descriptor: OciDescriptor;
  readonly diffId: string;
  readonly chainId: string;
  /** Chain id below. */
  readonly parent: string | undefined;
  readonly repository: Repository;
}

interface Job {
  /** The blob that it unpacks; others may be said to have the same content. */
  readonly digest: string;
  readonly done: Promise<void>;
  readonly controller: AbortController;
  readonly reports: Set<Report>;
  /** What a pull that joins is told first. */
  last: Progress;
}

/**
 * Downloads and unpacks layers, each once however many pulls want it. A download that nobody wants any more is
 * stopped; what has arrived stays for the next one. Layers are unpacked side by side while they arrive, and committed
 * in the order of the image.
 */
export class LayerFetches {
  readonly #content: ContentStore;
  readonly #layers: Snapshotter & LayerStore;
  readonly #jobs = new Map<string, Job>();
  readonly #parallel: () => number;
  #downloads = 0;

  constructor(options: {
    content: ContentStore;
    layers: Snapshotter & LayerStore;
    /** How many downloads the registries let run at once: the others are told to wait. */
    parallel: () => number;
  }) {
    this.#content = options.content;
    this.#layers = options.layers;
    this.#parallel = options.parallel;
  }

  /**
   * Brings the layers of one image, lowest first. The caller holds their chain ids and leases their blobs. Gives the
   * digests of the blobs whose content was seen to be the layer's: of layers that are here it is only said.
   */
  async fetch(
    wanted: readonly WantedLayer[],
    options: { report: Report; signal?: AbortSignal },
  ): Promise<ReadonlySet<string>> {
    const seen = new Set<string>();
    const failed = new AbortController();
    const signal = options.signal ? AbortSignal.any([failed.signal, options.signal]) : failed.signal;
    await all(
      wanted.map(async (layer) => {
        try {
          const digest = await this.#want(layer, { report: options.report, signal });
          if (digest === layer.descriptor.digest) seen.add(digest);
        } catch (error) {
          failed.abort(); // the others of this image are of no use
          throw error;
        }
      }),
    );
    return seen;
  }

  /** Gives the digest of the blob that was unpacked; empty for a layer that was here. */
  async #want(layer: WantedLayer, options: { report: Report; signal: AbortSignal }): Promise<string> {
    const { chainId } = layer;
    const { report, signal } = options;
    const id = shortId(layer.descriptor.digest);
    for (;;) {
      signal.throwIfAborted();
      let job = this.#jobs.get(chainId);
      if (!job && this.#layers.has(chainId)) {
        this.#layers.keepLayer(chainId);
        report({ id, status: "Already exists" });
        return "";
      }
      if (job?.controller.signal.aborted) {
        await job.done.catch(() => {}); // stopped by those who wanted it before: begin anew
        continue;
      }
      job ??= this.#start(layer);
      await this.#join(job, { report, signal });
      return job.digest;
    }
  }

  #start(layer: WantedLayer): Job {
    const controller = new AbortController();
    const reports = new Set<Report>();
    const id = shortId(layer.descriptor.digest);
    const tell = (progress: Omit<Progress, "id">): void => {
      job.last = { id, ...progress };
      for (const report of reports) report(job.last);
    };
    const started = Promise.withResolvers<void>();
    const job: Job = {
      digest: layer.descriptor.digest,
      controller,
      reports,
      last: { id, status: "Pulling fs layer" },
      done: started.promise.then(() => this.#run(layer, { tell, signal: controller.signal })),
    };
    this.#jobs.set(layer.chainId, job);
    job.done.then(
      () => this.#jobs.delete(layer.chainId),
      () => this.#jobs.delete(layer.chainId),
    );
    started.resolve();
    return job;
  }

  async #join(job: Job, options: { report: Report; signal: AbortSignal }): Promise<void> {
    const { report, signal } = options;
    // a set holds each function once, and one pull may want a layer twice
    const mine: Report = (progress) => report(progress);
    job.reports.add(mine);
    mine(job.last);
    const gone = Promise.withResolvers<never>();
    const leave = (): void => gone.reject(new EngineError("cancelled", "the pull was cancelled"));
    signal.addEventListener("abort", leave, { once: true });
    try {
      await Promise.race([job.done, gone.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
      job.reports.delete(mine);
      if (job.reports.size === 0) {
        job.controller.abort();
        await job.done.catch(() => {}); // what it holds is free when the last pull's answer ends
      }
    }
  }

  async #run(layer: WantedLayer, work: Work): Promise<void> {
    const { chainId, parent } = layer;
    await using staged = await this.#stage(layer, work);
    if (staged.applied.diffId !== layer.diffId)
      throw new EngineError(
        "invalid",
        `layers from manifest don't match image configuration: ${layer.descriptor.digest} unpacks to ${staged.applied.diffId}, not ${layer.diffId}`,
      );
    // every parent that is awaited is wanted by the same pulls, so it is stopped with us
    if (parent !== undefined) await this.#committed(parent, work.signal);
    work.signal.throwIfAborted();
    const { size } = layer.descriptor;
    work.tell({ status: "Extracting", current: size, total: size });
    await staged.commit(chainId, { parent });
    fault("image.pull.after-layer");
    work.tell({ status: "Pull complete" });
  }

  /** Waits until a layer below is there; its job was started before ours. */
  async #committed(chainId: string, signal: AbortSignal): Promise<void> {
    while (!this.#layers.has(chainId)) {
      const job = this.#jobs.get(chainId);
      if (!job) throw new EngineError("cancelled", `the layer below, ${chainId}, did not come`);
      await job.done;
      signal.throwIfAborted();
    }
  }

  async #stage(layer: WantedLayer, work: Work): Promise<StagedLayer> {
    const { digest, size } = layer.descriptor;
    for (let again = 0; !this.#content.has(digest); again++) {
      await using receiving = await this.#content.receive({ digest, sizeBytes: size }, { signal: work.signal });
      if (this.#content.has(digest)) break;
      const resumed = receiving.offsetBytes > 0;
      try {
        return await this.#download(layer, receiving, work);
      } catch (error) {
        // what was here from before may be what is wrong, or a mirror lied: once more from the first byte on
        const begins = error instanceof BeginAgain || (resumed && errorKind(error) === "invalid");
        if (!begins || again > 2 || work.signal.aborted) throw error;
        await receiving.discard();
      }
    }
    work.tell({ status: "Download complete" });
    return this.#unpack(this.#content.read(digest) as AsyncIterable<Buffer>, size, work, () => true);
  }

  /** Downloads and unpacks at the same time: the unpacker reads the growing file. */
  async #download(layer: WantedLayer, receiving: Receiving, work: Work): Promise<StagedLayer> {
    const { size } = layer.descriptor;
    const stopped = new AbortController();
    const signal = AbortSignal.any([work.signal, stopped.signal]);
    let complete = false;
    const staging = this.#unpack(receiving.follow({ signal }), size, { ...work, signal }, () => complete);
    let failure: unknown;
    try {
      staging.catch((error: unknown) => {
        failure ??= error; // a hostile archive need not arrive whole
        stopped.abort();
      });
      if (this.#downloads >= this.#parallel()) work.tell({ status: "Waiting" });
      this.#downloads++;
      try {
        await this.#receive(layer, receiving, { ...work, signal });
      } finally {
        this.#downloads--;
      }
      work.tell({ status: "Verifying Checksum" });
      await receiving.commit();
      complete = true;
      work.tell({ status: "Download complete" });
    } catch (error) {
      stopped.abort();
      await receiving[Symbol.asyncDispose](); // wakes the unpacker
      const staged = await staging.catch(() => undefined);
      await staged?.[Symbol.asyncDispose]();
      if (failure !== undefined && !work.signal.aborted && !isStopped(failure)) throw asError(failure);
      throw error;
    }
    return await staging;
  }

  async #receive(layer: WantedLayer, receiving: Receiving, work: Work): Promise<void> {
    const { descriptor, repository } = layer;
    const total = descriptor.size;
    const report = throttle((current) => work.tell({ status: "Downloading", current, total }));
    if (receiving.offsetBytes === total) return;
    const blob = repository.blob(descriptor, {
      signal: work.signal,
      offsetBytes: receiving.offsetBytes,
      restarted: () => {
        throw new BeginAgain();
      },
    });
    for await (const chunk of blob) {
      await receiving.write(chunk);
      fault("image.pull.mid-layer");
      // the last one is told in any case
      if (receiving.offsetBytes < total) report(receiving.offsetBytes);
      work.signal.throwIfAborted();
    }
    work.tell({ status: "Downloading", current: receiving.offsetBytes, total });
  }

  #unpack(packed: AsyncIterable<Buffer>, total: number, work: Work, visible: () => boolean): Promise<StagedLayer> {
    const report = throttle((current) => {
      if (visible()) work.tell({ status: "Extracting", current, total });
    });
    async function* counted(): AsyncGenerator<Buffer, void> {
      let current = 0;
      for await (const chunk of packed) {
        yield chunk;
        current += chunk.length;
        if (current < total) report(current);
      }
    }
    return this.#layers.stage(decompress(counted()), { signal: work.signal });
  }
}

interface Work {
  readonly tell: (progress: Omit<Progress, "id">) => void;
  readonly signal: AbortSignal;
}

/** The bytes so far were not the blob's. */
class BeginAgain extends Error {}

const isStopped = (error: unknown): boolean =>
  (error instanceof EngineError && error.kind === "cancelled") ||
  (error instanceof Error && error.name === "AbortError");
