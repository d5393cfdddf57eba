import { nowNs } from "../base/clock.ts";
import { EngineError } from "../base/errors.ts";
import type { BuildRecord, BuildRequest } from "./build.ts";
import type { BuildTables } from "./cache/build-cache.sql.ts";
import type { BuildPlan } from "./frontend/build-plan.ts";
import { reachable } from "./graph.ts";
import type { Solver } from "./solve/solver.ts";

/** As many builds are remembered. */
const kept = 100;

/** Builds that run and that ended. Rows on disk, answers from memory. */
export class BuildRecords {
  readonly #tables: BuildTables;
  readonly #records = new Map<string, BuildRecord>();
  readonly #unwritten = new Set<string>();

  constructor(tables: BuildTables) {
    this.#tables = tables;
    for (const { id, record } of tables.records().reverse()) this.#records.set(id, fromJson(record));
  }

  begin(id: string, request: BuildRequest): RunningRecord {
    const record: BuildRecord = {
      id,
      name: request.exports.flatMap((target) => ("references" in target ? target.references : []))[0] ?? "",
      startedNs: nowNs(),
      completedNs: 0n,
      status: "running",
      error: "",
      totalSteps: 0,
      completedSteps: 0,
      cachedSteps: 0,
      warnings: 0,
      imageId: "",
      platform: request.frontend.platform,
      target: request.frontend.target,
    };
    this.#put(record);
    const change = (changed: Partial<BuildRecord>): void => {
      const now = this.#records.get(id);
      if (now) this.#put({ ...now, ...changed });
    };
    let solved: Partial<BuildRecord> = {};
    return {
      planned: (plan) =>
        change({
          totalSteps: reachable(plan.root).filter(({ op }) => op.kind === "run" || op.kind === "files").length,
          warnings: plan.warnings.length,
        }),
      solved: (solver) => {
        solved = { completedSteps: solver.completedSteps, cachedSteps: solver.cachedSteps };
      },
      completed: (imageId) => change({ ...solved, status: "completed", completedNs: nowNs(), imageId }),
      failed: (status, error) => change({ ...solved, status, completedNs: nowNs(), error }),
    };
  }

  /** Newest first. */
  list(): readonly BuildRecord[] {
    return [...this.#records.values()].reverse();
  }

  forget(id: string): void {
    const record = this.#records.get(id);
    if (!record) throw new EngineError("not-found", `no build ${id}`, { id });
    if (record.status === "running") throw new EngineError("conflict", `build ${id} is running`, { id });
    this.#tables.deleteRecord(id);
    this.#records.delete(id);
  }

  /** Writes down builds that ended: behind their answers, as nothing depends on it. */
  flush(): void {
    for (const id of this.#unwritten) {
      const record = this.#records.get(id);
      if (record) this.#tables.putRecord(id, record.startedNs, toJson(record));
    }
    this.#unwritten.clear();
  }

  #put(record: BuildRecord): void {
    this.#records.set(record.id, record);
    if (record.status !== "running") this.#unwritten.add(record.id);
    for (const [id, old] of this.#records) {
      if (this.#records.size <= kept) break;
      if (old.status === "running") continue;
      this.#tables.deleteRecord(id);
      this.#records.delete(id);
    }
  }
}

interface RunningRecord {
  planned(plan: BuildPlan): void;
  solved(solver: Solver): void;
  completed(imageId: string): void;
  failed(status: "error" | "cancelled", error: string): void;
}

const toJson = (record: BuildRecord): string =>
  JSON.stringify({
    ...record,
    startedNs: record.startedNs.toString(),
    completedNs: record.completedNs.toString(),
  });

function fromJson(text: string): BuildRecord {
  const row = JSON.parse(text) as BuildRecord & { startedNs: string; completedNs: string };
  return { ...row, startedNs: BigInt(row.startedNs), completedNs: BigInt(row.completedNs) };
}
