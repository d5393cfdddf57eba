import { chmodSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream";
import type { Session } from "./session.ts";
import { agentConnection, hasAgent } from "./session-services.ts";

/** A unix socket of this host behind which a client's ssh agent answers; gone when it is disposed. */
export interface AgentSocket extends AsyncDisposable {
  readonly path: string;
}

/** Opens a socket for the agent `id` of the session's client; undefined when the client offers none. */
export async function openAgentSocket(
  session: Session,
  id: string,
  options: { parent: string; signal: AbortSignal },
): Promise<AgentSocket | undefined> {
  if (!(await hasAgent(session, id, { signal: options.signal }))) return undefined;
  const folder = mkdtempSync(join(options.parent, "ssh-"));
  const path = join(folder, "agent.sock");
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    const agent = agentConnection(session, id, options.signal);
    // either end ends the other; why, only that process can say
    pipeline(socket, agent, () => agent.destroy());
    pipeline(agent, socket, () => socket.destroy());
  });
  try {
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  chmodSync(path, 0o600); // the step mounts it for its own user
  return {
    path,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
