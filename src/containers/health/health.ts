import { errorMessage } from "../../base/errors.ts";
import { nowNs } from "../../base/clock.ts";
import { timerMs } from "../../base/timer.ts";
import { engineCaller } from "../../spec/caller.ts";
import type { Container, HealthResult, HealthState } from "../container.ts";
import { publish } from "../events.ts";
import type { ExecDeps } from "../exec/exec.ts";
import type { HealthPlan } from "../plan.ts";
import { killContainer, stopContainer } from "../stop/stop.ts";
import { probe } from "./probe.ts";

/** How many results inspect shows (moby parity). */
const keptResults = 5;

/** Probes the running containers that have a health check; one timer each, never two probes of one at once. */
export class HealthChecks {
  readonly #deps: ExecDeps;
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(deps: ExecDeps) {
    this.#deps = deps;
  }

  /** The container runs: plans its next probe. Also after a daemon restart: an overdue probe comes at once. */
  begin(id: string): void {
    this.end(id);
    const container = this.#deps.records.find(id);
    if (!container?.plan.health || container.state.status !== "running") return;
    const last = container.state.health?.log.at(-1)?.endNs ?? container.state.startedAtNs;
    const dueNs = last + BigInt(intervalNs(container, container.plan.health));
    const delayMs = timerMs(Number((dueNs - nowNs()) / 1_000_000n));
    this.#timers.set(
      id,
      setTimeout(() => void this.#check(id), delayMs),
    );
  }

  end(id: string): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  close(): void {
    for (const id of [...this.#timers.keys()]) this.end(id);
  }

  async #check(id: string): Promise<void> {
    const before = this.#deps.records.find(id);
    const plan = before?.plan.health;
    if (!before || !plan || before.state.status !== "running") return;
    const result = await probe(this.#deps, before, plan);
    const now = this.#deps.records.find(id);
    // The run that was probed is over, or the container stands still: the result says nothing.
    if (!now || now.state.run !== before.state.run || now.state.status !== "running" || !this.#timers.has(id)) return;
    const health = judge(now, plan, result);
    const changed = health.status !== now.state.health?.status;
    const state = { ...now.state, health };
    const after = changed ? this.#deps.records.setState(id, state) : this.#deps.records.setVolatile(id, state);
    if (changed) publish(this.#deps.events, after, `health_status: ${health.status}`, engineCaller);
    this.begin(id);
    if (changed && health.status === "unhealthy") await this.#act(after, plan);
  }

  async #act(container: Container, plan: HealthPlan): Promise<void> {
    if (plan.onFailure === "none") return;
    const { id } = container;
    this.#deps.settings.log("warn", "an unhealthy container is ended by its --health-on-failure", {
      id,
      name: container.name,
      action: plan.onFailure,
    });
    publish(this.#deps.events, container, `health_action: ${plan.onFailure}`, engineCaller);
    try {
      switch (plan.onFailure) {
        case "kill":
          return await killContainer(this.#deps, id, { caller: engineCaller, killSignal: "KILL", byEngine: true });
        case "stop":
          return await stopContainer(this.#deps, id, { caller: engineCaller });
        case "restart":
          this.#deps.activity.demandRestart(id);
          return await stopContainer(this.#deps, id, { caller: engineCaller, byEngine: true });
      }
    } catch (error) {
      this.#deps.settings.log("error", "acting on an unhealthy container failed", { id, error: errorMessage(error) });
    }
  }
}

/** Time between two probes: the shorter start interval during the start period. */
function intervalNs(container: Container, plan: HealthPlan): number {
  const inStartPeriod = container.state.health?.status === "starting" && sinceStartNs(container) < plan.startPeriodNs;
  return inStartPeriod ? Math.min(plan.startIntervalNs, plan.intervalNs) : plan.intervalNs;
}

const sinceStartNs = (container: Container): number => Number(nowNs() - container.state.startedAtNs);

/** The health after one more result: failures in the start period do not count (moby parity). */
export function judge(container: Container, plan: HealthPlan, result: HealthResult): HealthState {
  const old = container.state.health ?? { status: "starting" as const, failingStreak: 0, log: [] };
  const log = [...old.log, result].slice(-keptResults);
  if (result.exitCode === 0) return { status: "healthy", failingStreak: 0, log };
  if (old.status === "starting" && sinceStartNs(container) < plan.startPeriodNs) return { ...old, log };
  const failingStreak = old.failingStreak + 1;
  return { status: failingStreak >= plan.retries ? "unhealthy" : old.status, failingStreak, log };
}
