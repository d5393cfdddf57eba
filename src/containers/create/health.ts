import { EngineError } from "../../base/errors.ts";
import type { ContainerConfig, HealthConfig } from "../../spec/engine/types.gen.ts";
import type { HealthPlan } from "../plan.ts";

const second = 1e9;
const millisecond = 1e6;

/** Our own annotation, set by `--health-on-failure`: the stock wire has no field for it. */
export const onFailureAnnotation = "io.berth.health.on-failure";
const onFailureActions = ["none", "kill", "restart", "stop"] as const;

/** Throws Docker's texts for limits below a millisecond. */
export function checkHealthcheck(check: HealthConfig | null | undefined): void {
  if (!check) return;
  for (const field of ["Interval", "Timeout", "StartPeriod", "StartInterval"] as const) {
    const value = check[field] ?? 0;
    if (value !== 0 && value < millisecond)
      throw new EngineError("invalid", `${field} in Healthcheck cannot be less than 1ms`, { field });
  }
  if ((check.Retries ?? 0) < 0) throw new EngineError("invalid", "Retries in Healthcheck cannot be negative");
}

/** The probe of a container, Docker's defaults applied. null when there is none. */
export function planHealth(config: ContainerConfig, annotations: Readonly<Record<string, string>>): HealthPlan | null {
  const onFailure = parseOnFailure(annotations[onFailureAnnotation] ?? "none");
  const check = config.Healthcheck;
  const test = probe(check?.Test ?? [], config.Shell ?? []);
  if (!check || !test) return null;
  return {
    test,
    intervalNs: check.Interval || 30 * second,
    timeoutNs: check.Timeout || 30 * second,
    startPeriodNs: check.StartPeriod || 0,
    startIntervalNs: check.StartInterval || 5 * second,
    retries: check.Retries || 3,
    onFailure,
  };
}

/** A shell of the image (Dockerfile SHELL) runs CMD-SHELL probes; written out here, so that later steps need not know. */
function probe(test: readonly string[], shell: readonly string[]): readonly string[] | null {
  const [kind, ...rest] = test;
  if (kind === "CMD") return rest.length === 0 ? null : test;
  if (kind === "CMD-SHELL") return shell.length === 0 ? test : ["CMD", ...shell, ...rest];
  // NONE turns the image's probe off; an unknown kind never runs (moby parity)
  return null;
}

function parseOnFailure(text: string): HealthPlan["onFailure"] {
  const action = onFailureActions.find((known) => known === text);
  if (action) return action;
  throw new EngineError(
    "invalid",
    `invalid health on-failure action "${text}"; use one of ${onFailureActions.join(", ")}`,
  );
}
