import type { EngineClient } from "../../client/engine-client.ts";
import { command } from "../command.ts";
import { readConfigFile } from "../config-file.ts";
import { failureText } from "../failure.ts";
import { ExitError } from "../exit-error.ts";
import { readLines } from "../render/progress.ts";
import { formatList } from "../render/table.ts";
import type { ContainerStatsResponse } from "../../spec/engine/types.gen.ts";
import { readSample, statsColumns, type StatsRow } from "./stats-row.ts";

export const stats = command({
  path: "container stats",
  aliases: ["stats"],
  args: "[CONTAINER...]",
  arity: { min: 0, max: Infinity },
  summary: "Show what containers use, as it changes",
  complete: "running-container",
  flags: {
    all: { type: "bool", short: "a", help: "Show all containers, not only running ones" },
    format: { type: "string", help: "How to print: 'table', 'table TEMPLATE', 'json' or a Go template" },
    "no-stream": { type: "bool", help: "Print once" },
    "no-trunc": { type: "bool", help: "Do not cut long texts" },
  },
  async run({ flags, args, engine, stdout, configDir, signal }) {
    const format = flags.format ?? readConfigFile(configDir).statsFormat;
    const table = format === undefined || format === "" || format.startsWith("table");
    const options = {
      format,
      columns: statsColumns(!flags["no-trunc"]),
      defaultFormat:
        "table {{.ID}}\\t{{.Name}}\\t{{.CPUPerc}}\\t{{.MemUsage}}\\t{{.MemPerc}}\\t{{.NetIO}}\\t{{.BlockIO}}\\t{{.PIDs}}",
      typeName: "*container.statsContext",
      stdout,
    };
    const show = (rows: readonly StatsRow[]): string => formatList(rows, options);
    if (flags["no-stream"]) {
      const names = args.length > 0 ? args : await listed(engine, flags.all);
      stdout.write(show(await Promise.all(names.map((name) => once(engine, name)))));
      return;
    }
    const board = new Board(engine, signal);
    if (args.length === 0) void board.followNew(flags.all);
    const names = args.length > 0 ? args : await listed(engine, flags.all);
    await Promise.all(names.map((name) => board.add(name)));
    while (!signal.aborted) {
      const failure = board.failure;
      if (failure !== undefined) throw failure;
      stdout.write(table ? repaint(show(board.rows())) : show(board.rows()));
      if (args.length > 0 && board.empty) return;
      await pause(repaintMs, signal);
    }
  },
});

const repaintMs = 500; // docker's

/** From the upper left corner, each line and what is below cleared. */
const repaint = (text: string): string => `\u001b[H${text.replaceAll("\n", " \u001b[K\n")}\u001b[J`;

async function listed(engine: EngineClient, all: boolean): Promise<string[]> {
  const rows = await engine.call("ContainerList", all ? { all } : {});
  return rows.map(({ Id }) => (Id ?? "").slice(0, 12));
}

async function once(engine: EngineClient, container: string): Promise<StatsRow> {
  const reply = await engine.call("ContainerStats", { id: container, stream: false });
  return row(container, reply);
}

function row(container: string, reply: ContainerStatsResponse): StatsRow {
  const id = reply.id ?? "";
  // a container that does not run answers with zeros and without a time of reading
  const runs = reply.read !== undefined && reply.read !== null && !reply.read.startsWith("0001-");
  return {
    container,
    id,
    name: (reply.name ?? "").replace(/^\//, ""),
    sample: runs || id !== "" ? readSample(reply) : undefined,
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener(
    "abort",
    () => {
      clearTimeout(timer);
      resolve();
    },
    { once: true },
  );
  return promise;
}

/** The containers being watched, and the last sample of each. */
class Board {
  readonly #engine: EngineClient;
  readonly #signal: AbortSignal;
  readonly #rows = new Map<string, StatsRow>();
  failure: Error | undefined;

  constructor(engine: EngineClient, signal: AbortSignal) {
    this.#engine = engine;
    this.#signal = signal;
  }

  get empty(): boolean {
    return this.#rows.size === 0;
  }

  rows(): StatsRow[] {
    return [...this.#rows.values()];
  }

  /** Begins to watch. Resolves with the first sample; rejects when there is no such container. */
  async add(container: string): Promise<void> {
    if (this.#rows.has(container)) return;
    this.#rows.set(container, { container, id: "", name: "", sample: undefined });
    const { promise, resolve } = Promise.withResolvers<void>();
    try {
      const { body } = await this.#engine.stream(
        "ContainerStats",
        { id: container, stream: true },
        { signal: this.#signal },
      );
      void this.#read(container, body, resolve).catch((error: unknown) => this.#fail(error));
    } catch (error) {
      this.#rows.delete(container);
      throw error;
    }
    await promise;
  }

  async #read(container: string, body: Parameters<typeof readLines>[0], first: () => void): Promise<void> {
    try {
      for await (const line of readLines(body)) {
        this.#rows.set(container, row(container, JSON.parse(line) as ContainerStatsResponse));
        first();
      }
    } finally {
      this.#rows.delete(container);
      first();
    }
  }

  /** Takes in containers as they start (or are made, with --all), and lets go of those that end. */
  async followNew(all: boolean): Promise<void> {
    try {
      const filters = JSON.stringify({ type: ["container"], event: [all ? "create" : "start"] });
      const { body } = await this.#engine.stream("SystemEvents", { filters }, { signal: this.#signal });
      for await (const line of readLines(body)) {
        const { Actor } = JSON.parse(line) as { Actor?: { ID?: string } };
        // it may be gone again: then there is nothing to watch
        if (Actor?.ID !== undefined) this.add(Actor.ID.slice(0, 12)).catch(() => undefined);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!this.#signal.aborted) this.failure ??= new ExitError(1, failureText(error, this.#engine.host));
  }
}
