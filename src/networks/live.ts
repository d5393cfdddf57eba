import { EngineError } from "../base/errors.ts";
import type { Caller } from "../spec/caller.ts";
import type { CreateParts } from "./create-network.ts";
import type { Attachment, Sandbox, SandboxPlan } from "./network.ts";

export async function connect(
  _parts: CreateParts,
  _change: { sandbox: Sandbox; plan: SandboxPlan; attachment: Attachment; caller: Caller },
): Promise<Sandbox> {
  throw new EngineError("not-implemented", "live connect");
}

export async function disconnect(
  _parts: CreateParts,
  _change: { sandbox: Sandbox; plan: SandboxPlan; networkId: string; caller: Caller },
): Promise<Sandbox> {
  throw new EngineError("not-implemented", "live disconnect");
}
