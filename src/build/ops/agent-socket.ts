import { chmod, chown } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";

/**
 * A socket of the step's own that speaks to the client's agent: with the mode and owner that the step asks for, while
 * the agent's own socket stays as it is. Ends with all its connections when it is disposed.
 */
export async function agentSocket(
  agentPath: string,
  options: { folder: string; mode: number; uid: number; gid: number },
): Promise<AsyncDisposable & { readonly path: string }> {
  const path = join(options.folder, "agent");
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const agent = connect(agentPath);
    for (const [socket, other] of [
      [client, agent],
      [agent, client],
    ] as const) {
      open.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
    client.pipe(agent).pipe(client);
  });
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(path, listening.resolve);
  await listening.promise;
  await chmod(path, options.mode);
  await chown(path, options.uid, options.gid);
  return {
    path,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}
