import { EngineError } from "../../base/errors.ts";
import type { RestartPolicy } from "../../spec/engine/types.gen.ts";
import type { ContainerPlan } from "../plan.ts";

const policies = ["no", "always", "on-failure", "unless-stopped"] as const;

/** Throws Docker's texts. No name means "no". */
export function planRestart(wire: RestartPolicy | null | undefined): ContainerPlan["restart"] {
  const name = wire?.Name || "no";
  const retries = wire?.MaximumRetryCount ?? 0;
  const policy = policies.find((known) => known === name);
  if (!policy) {
    throw new EngineError(
      "invalid",
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (policy === "on-failure") {
    if (retries < 0) throw new EngineError("invalid", "invalid restart policy: maximum retry count cannot be negative");
    return { policy, maximumRetries: retries };
  }
  // before it had a name the count was never looked at (moby parity)
  if (retries !== 0 && wire?.Name) {
    const text = "invalid restart policy: maximum retry count can only be used with 'on-failure'";
    throw new EngineError("invalid", retries < 0 ? `${text} and cannot be negative` : text);
  }
  return { policy, maximumRetries: 0 };
}
