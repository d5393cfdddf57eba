import type { MadeStep } from "../../build/build.ts";
import type { BuildEvent } from "../../build/events.ts";
import type { PlannedStep } from "../../build/frontend/build-plan.ts";
import type { Vertex } from "../../build/graph.ts";
import type { Exchange } from "../http/exchange.ts";
import { streamJson } from "./progress.ts";

/** Output of a step whose turn has not come yet is kept up to here; then the step waits. */
const aheadBytes = 1024 * 1024;

/**
 * Tells a build as the classic builder does: one instruction after the other, in the order of the file, whatever runs
 * at once. The first line begins the answer.
 */
export class ClassicBuildStream {
  readonly #exchange: Exchange;
  readonly #quiet: boolean;
  readonly #removing: boolean;
  #steps: readonly PlannedStep[] = [];
  #idOf: (vertex: Vertex) => string = () => "";
  #current = -1;
  #number = 0;
  #total = 0;
  /** A step before was run: what follows is not from the cache. */
  #ran = false;
  #announced = false;
  readonly #ahead = new Map<string, { bytes: number; lines: { stream: string; text: string }[] }>();
  #turn = Promise.withResolvers<void>();

  constructor(exchange: Exchange, options: { quiet: boolean; removing: boolean }) {
    this.#exchange = exchange;
    this.#quiet = options.quiet;
    this.#removing = options.removing;
  }

  planned(steps: readonly PlannedStep[], idOf: (vertex: Vertex) => string): void {
    this.#steps = steps;
    this.#idOf = idOf;
    this.#total = steps.filter(({ onBuild }) => !onBuild).length;
    this.#next();
  }

  /** Takes output of steps; waits while the client does not read, or while the step is far ahead of its turn. */
  async event(event: BuildEvent): Promise<void> {
    if (event.kind !== "log") return;
    const { vertexId, stream } = event.log;
    const text = Buffer.from(event.log.bytes).toString("utf8");
    const step = this.#steps[this.#current];
    if (step && step.makesLayer && this.#idOf(step.vertex) === vertexId) {
      this.#announce(step);
      await this.#output(stream, text);
      return;
    }
    const ahead = this.#ahead.get(vertexId) ?? { bytes: 0, lines: [] };
    this.#ahead.set(vertexId, ahead);
    ahead.lines.push({ stream, text });
    ahead.bytes += text.length;
    if (ahead.bytes > aheadBytes) await this.#turn.promise;
  }

  made({ step, cached, imageId }: MadeStep): void {
    this.#flush(step);
    const isFrom = /^from\s/i.test(step.text);
    const copies = /^(copy|add)\s/i.test(step.text);
    if (step.makesLayer && !cached) this.#ran = true;
    if (!isFrom) {
      if (this.#ran || (step.makesLayer && !cached)) {
        if (!copies) {
          this.#announce(step);
          this.#removed(step);
        }
      } else this.#line(" ---> Using cache\n");
    } else this.#ran = false;
    this.#line(` ---> ${imageId.replace("sha256:", "").slice(0, 12)}\n`);
    if (step.triggers > 0) this.#line(`# Executing ${step.triggers} build trigger${step.triggers === 1 ? "" : "s"}\n`);
    this.#next();
  }

  /** What was running when the build failed. */
  failed(): void {
    const step = this.#steps[this.#current];
    if (!step) return;
    this.#flush(step);
    if (this.#announced) this.#removed(step);
  }

  completed(imageId: string, tags: readonly string[]): void {
    if (this.#quiet) {
      this.send({ stream: `${imageId}\n` });
      return;
    }
    this.send({ aux: { ID: imageId } });
    this.#line(`Successfully built ${imageId.replace("sha256:", "").slice(0, 12)}\n`);
    for (const tag of tags) this.#line(`Successfully tagged ${tag}\n`);
  }

  send(value: unknown): void {
    if (!this.#exchange.started) this.#exchange.begin(200, { "Content-Type": "application/json" });
    void this.#exchange.write(streamJson(value));
  }

  #next(): void {
    const step = this.#steps[++this.#current];
    this.#announced = false;
    const turn = this.#turn;
    this.#turn = Promise.withResolvers<void>();
    turn.resolve();
    if (!step) return;
    if (!step.onBuild) {
      this.#line(`Step ${++this.#number}/${this.#total} : ${step.text}`);
      this.#line("\n");
    }
    if (step.makesLayer && this.#ahead.has(this.#idOf(step.vertex))) this.#flush(step);
  }

  /** Output that came before the step's turn. */
  #flush(step: PlannedStep): void {
    const id = this.#idOf(step.vertex);
    const ahead = this.#ahead.get(id);
    if (!ahead || !step.makesLayer) return;
    this.#ahead.delete(id);
    this.#announce(step);
    for (const { stream, text } of ahead.lines) void this.#output(stream, text);
  }

  #announce(step: PlannedStep): void {
    if (this.#announced) return;
    this.#announced = true;
    this.#line(` ---> Running in ${this.#containerOf(step)}\n`);
  }

  #removed(step: PlannedStep): void {
    if (this.#removing) this.#line(`Removing intermediate container ${this.#containerOf(step)}\n`);
  }

  /** Steps have no container that could be named: the step's own id stands for it. */
  #containerOf(step: PlannedStep): string {
    const id = this.#idOf(step.vertex).replace("sha256:", "");
    const offset = this.#current % 40;
    return `${id.slice(offset)}${id}`.slice(0, 12);
  }

  #line(text: string): void {
    if (!this.#quiet) this.send({ stream: text });
  }

  async #output(stream: string, text: string): Promise<void> {
    if (this.#quiet) return;
    if (!this.#exchange.started) this.#exchange.begin(200, { "Content-Type": "application/json" });
    const shown = stream === "stderr" ? `\u001b[91m${text}\u001b[0m` : text;
    await this.#exchange.write(streamJson({ stream: shown }));
  }
}
