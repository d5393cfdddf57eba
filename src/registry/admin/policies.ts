import { EngineError } from "../../base/errors.ts";
import { addRule, listRules, removeRule, retire } from "../policy/retention.ts";
import type { Task } from "./task.ts";

export function setQuota({ exchange, body }: Task): void {
  exchange.services.quotas.set(body.text("prefix"), body.whole("bytes"));
}

export function removeQuota({ exchange }: Task): void {
  const prefix = exchange.query.get("prefix") ?? "";
  if (!exchange.services.quotas.remove(prefix)) throw new EngineError("not-found", `there is no quota of ${prefix}`);
}

export function listPolicies({ exchange }: Task): object {
  const { immutability, core } = exchange.services;
  return { immutableTags: immutability.list(), retentionRules: listRules(core.db) };
}

export function addImmutable({ exchange, body }: Task): void {
  exchange.services.immutability.add(body.text("repositories"), body.text("tags"));
}

export function addRetention({ exchange, body }: Task): void {
  addRule(exchange.services.core.db, {
    repositories: body.text("repositories"),
    tags: body.has("tags") ? body.text("tags") : "**",
    keepLast: body.wholeOrNull("keepLast"),
    keepPushedMs: body.wholeOrNull("keepPushedMs"),
    keepPulledMs: body.wholeOrNull("keepPulledMs"),
  });
}

export const removeRuleById =
  (kind: "immutable" | "retention") =>
  ({ exchange, name }: Task): void => {
    const { immutability, core } = exchange.services;
    const id = Number(name);
    const removed = kind === "immutable" ? immutability.remove(id) : removeRule(core.db, id);
    if (!removed) throw new EngineError("not-found", `there is no rule ${name}`);
  };

/** Removes the tags that no rule keeps; their bytes go with the next collection of untagged manifests. */
export async function runRetention({ exchange, body }: Task): Promise<object> {
  const { core, immutability, lastPulls } = exchange.services;
  const dryRun = body.toggle("dryRun");
  lastPulls.flush();
  const tags = await retire(core.db, immutability, dryRun);
  if (!dryRun)
    for (const { repository, tag, digest } of tags)
      core.tell({ action: "delete", caller: exchange.caller, repository, target: { tag, digest }, note: "retention" });
  return {
    dryRun,
    tags: tags.map(({ pushedAtMs, ...tag }) => ({ ...tag, pushedAt: new Date(pushedAtMs).toISOString() })),
  };
}
