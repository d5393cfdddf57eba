import { existsSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { errorMessage } from "../../base/errors.ts";
import { LineReader } from "../../base/line-reader.ts";
import { tryLockFile } from "../../kernel/descriptor.ts";
import { nameProcess } from "../../kernel/process/prctl.ts";
import { type ResolverAnswer, resolverPaths, type ResolverRequest, resolverVersion } from "./protocol.ts";
import { Resolver } from "./resolver.ts";

/** Without a daemon and without containers it ends itself after this. */
const idleMs = 60_000;

/**
 * The resolver process: the name server of containers at 127.0.0.11. It is no part of the daemon, so that names go on
 * resolving while the daemon is replaced, and no part of the monitor, so that packets of containers never reach the
 * process that holds their output. It reads no container's files and holds nothing that cannot be told again.
 */
export async function runResolver(options: { execRoot: string }): Promise<void> {
  const paths = resolverPaths(options.execRoot);
  mkdirSync(paths.folder, { recursive: true, mode: 0o700 });
  const lock = openSync(paths.lock, "a+", 0o600);
  if (!tryLockFile(lock)) return; // the daemon finds the one that runs
  ftruncateSync(lock);
  writeSync(lock, String(process.pid));
  // Signals meant for the daemon's group or session must not take the names away.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE"] as const) process.on(signal, () => {});
  process.on("uncaughtException", (error) => console.error("uncaught:", error));
  process.on("unhandledRejection", (error) => console.error("unhandled:", error));
  nameProcess("berth-dns");
  const resolver = new Resolver();
  const clients = new Set<Socket>();
  // One request after the other: a put and the drop behind it must not change places.
  let last: Promise<unknown> = Promise.resolve();

  const handle = async (request: ResolverRequest): Promise<Omit<ResolverAnswer, "n">> => {
    switch (request.op) {
      case "hello":
        return { version: resolverVersion };
      case "sync":
        return { failed: await resolver.sync(request.boxes) };
      case "put":
        await resolver.put(request.box);
        return {};
      case "drop":
        resolver.drop(request.id);
        return {};
      case "end":
        setImmediate(() => process.exit(0));
        return {};
    }
  };
  const server = createServer((socket) => {
    clients.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => clients.delete(socket));
    const lines = new LineReader();
    socket.on("data", (chunk: Buffer) => {
      for (const line of lines.push(chunk)) {
        const request = JSON.parse(line) as ResolverRequest;
        last = last
          .then(() => handle(request))
          .then(
            (answer) => answer,
            (error: unknown) => ({ error: errorMessage(error) }),
          )
          .then((answer) => socket.write(`${JSON.stringify({ n: request.n, ...answer } satisfies ResolverAnswer)}\n`));
      }
    });
  });
  rmSync(paths.control, { force: true });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(paths.control, resolve));

  let idleSince = performance.now();
  setInterval(() => {
    if (!existsSync(paths.lock)) process.exit(0); // the engine was removed
    if (clients.size > 0 || !resolver.empty) idleSince = performance.now();
    else if (performance.now() - idleSince > idleMs) process.exit(0);
  }, idleMs / 4);
}
