import { closeSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { errorMessage } from "../../base/errors.ts";
import { nameProcess } from "../../kernel/process/prctl.ts";
import { listenUnix, receiveDescriptors, sendDescriptors } from "../../kernel/socket.ts";
import { LineReader } from "../../base/line-reader.ts";

/** With nothing to keep it ends itself after this, or at once when the daemon goes; the next terminal starts another. */
const idleMs = 30_000;

/** What the daemon asks of the keeper, a JSON line each; the answer is `{n}` or `{n, error}`. */
export type KeeperRequest = { readonly n: number } & (
  | { readonly op: "keep" }
  | { readonly op: "drop"; readonly name: string }
  | { readonly op: "recall"; readonly socket: string }
);

export const keeperPaths = (execRoot: string): { control: string; descriptors: string } => ({
  control: join(execRoot, "monitor/keeper.sock"),
  descriptors: join(execRoot, "monitor/keeper-fd.sock"),
});

/**
 * The keeper process: the third holder of terminals' master ends, and nothing else. A terminal whose last holder dies
 * hangs up its container; with the keeper, daemon and monitor may be killed at the same moment. It runs only while
 * containers with a terminal do, reads and writes none of their bytes, and gives the ends back when it is asked.
 */
export async function runKeeper(options: { execRoot: string }): Promise<void> {
  const paths = keeperPaths(options.execRoot);
  mkdirSync(join(options.execRoot, "monitor"), { recursive: true, mode: 0o700 });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
  nameProcess("berth-keeper");
  for (const path of Object.values(paths)) rmSync(path, { force: true });
  const listener = listenUnix(paths.descriptors);
  const kept = new Map<string, number>();
  const clients = new Set<Socket>();

  const handle = (request: KeeperRequest): void => {
    switch (request.op) {
      case "keep":
        for (let message = receiveDescriptors(listener); message; message = receiveDescriptors(listener)) {
          for (const fd of message.fds) replace(kept, message.text, fd);
        }
        return;
      case "drop":
        return replace(kept, request.name, undefined);
      case "recall":
        for (const [name, fd] of kept) sendDescriptors(request.socket, name, [fd]);
    }
  };
  const server = createServer((socket) => {
    clients.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      clients.delete(socket);
      if (clients.size === 0 && kept.size === 0) process.exit(0);
    });
    const lines = new LineReader();
    socket.on("data", (chunk: Buffer) => {
      for (const line of lines.push(chunk)) {
        const request = JSON.parse(line) as KeeperRequest;
        try {
          handle(request);
          socket.write(`${JSON.stringify({ n: request.n })}\n`);
        } catch (error) {
          socket.write(`${JSON.stringify({ n: request.n, error: errorMessage(error) })}\n`);
        }
      }
    });
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(paths.control, resolve));

  let idleSince = Date.now();
  setInterval(() => {
    if (kept.size > 0) idleSince = Date.now();
    else if (Date.now() - idleSince > idleMs) process.exit(0);
  }, idleMs / 4);
}

function replace(kept: Map<string, number>, name: string, fd: number | undefined): void {
  const old = kept.get(name);
  if (old !== undefined) closeSync(old);
  if (fd === undefined) kept.delete(name);
  else kept.set(name, fd);
}
