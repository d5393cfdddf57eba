import type { Readable } from "node:stream";
import type { EngineClient } from "../../client/engine-client.ts";
import { ExitError } from "../exit-error.ts";

/** Begins to wait for a container's end. Resolves as soon as the daemon has taken note (its headers are here). */
export async function waitForExit(
  engine: EngineClient,
  id: string,
  condition: "next-exit" | "removed" | "not-running",
): Promise<{ status: Promise<number> }> {
  const { body } = await engine.stream("ContainerWait", { id, condition });
  const status = readStatus(body);
  // whoever started us may fail before it looks at the status
  status.catch(() => undefined);
  return { status };
}

async function readStatus(body: Readable): Promise<number> {
  let text = "";
  for await (const chunk of body) text += String(chunk);
  const reply = JSON.parse(text) as { StatusCode: number; Error?: { Message?: string } | null };
  if (reply.Error?.Message) throw new ExitError(125, `Error waiting for container: ${reply.Error.Message}`);
  return reply.StatusCode;
}
