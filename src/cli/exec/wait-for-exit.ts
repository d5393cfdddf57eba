import type { EngineClient } from "../../client/engine-client.ts";
import { ExitError } from "../exit-error.ts";

/** Begins to wait for a container's end. Resolves as soon as the daemon has taken note (its headers are here). */
export async function waitForExit(
  engine: EngineClient,
  id: string,
  condition: "next-exit" | "removed" | "not-running",
): Promise<{ status: Promise<number> }> {
  const answer = await engine.open("ContainerWait", { id, condition });
  const status = readStatus(answer.pieces());
  // whoever started us may fail before it looks at the status
  status.catch(() => undefined);
  return { status };
}

async function readStatus(body: AsyncIterable<Uint8Array>): Promise<number> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) text += decoder.decode(chunk, { stream: true });
  const reply = JSON.parse(text) as { StatusCode: number; Error?: { Message?: string } | null };
  if (reply.Error?.Message) throw new ExitError(125, `Error waiting for container: ${reply.Error.Message}`);
  return reply.StatusCode;
}
