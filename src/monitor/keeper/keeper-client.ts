import { closeSync, constants, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { EngineError, errorMessage } from "../../base/errors.ts";
import { sendDescriptors } from "../../kernel/socket.ts";
import { keeperPaths, type KeeperRequest } from "./keeper.ts";
import { LineReader } from "../../base/line-reader.ts";

const startTimeoutMs = 10_000;
const answerTimeoutMs = 5_000;

type Asked = KeeperRequest extends infer Request ? (Request extends KeeperRequest ? Omit<Request, "n"> : never) : never;

/** The daemon's side of the keeper. It is started with the first terminal, and found again by a daemon that comes back. */
export class KeeperClient {
  readonly #execRoot: string;
  readonly #command: () => readonly string[];
  readonly #onLost: () => void;
  readonly #answers = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  #socket: Promise<Socket> | undefined;
  #count = 0;
  #closed = false;

  /** `onLost`: the keeper went away with all it kept. */
  constructor(options: { execRoot: string; command: () => readonly string[]; onLost: () => void }) {
    this.#execRoot = options.execRoot;
    this.#command = options.command;
    this.#onLost = options.onLost;
  }

  /** Gives a copy of a descriptor to keep, if there still is one once the keeper listens. `name` comes back with it. */
  async keep(name: string, descriptor: () => number | undefined): Promise<void> {
    const socket = await this.#connect({ start: true });
    const fd = descriptor();
    if (fd === undefined) return;
    sendDescriptors(keeperPaths(this.#execRoot).descriptors, name, [fd]);
    await this.#ask(socket, { op: "keep" });
  }

  /** Lets a kept descriptor go. Nothing to do where no keeper runs. */
  async drop(name: string): Promise<void> {
    if (this.#socket) await this.#ask(await this.#socket, { op: "drop", name });
  }

  /** Sends all that is kept to a listening socket; when it resolves they wait in its backlog. */
  async recall(socketPath: string): Promise<void> {
    const socket = await this.#connect({ start: false }).catch(() => undefined); // none runs: nothing is kept
    if (socket) await this.#ask(socket, { op: "recall", socket: socketPath });
  }

  async close(): Promise<void> {
    this.#closed = true;
    (await this.#socket?.catch(() => undefined))?.destroy();
  }

  #connect(options: { start: boolean }): Promise<Socket> {
    this.#socket ??= this.#open(options).catch((error: unknown) => {
      this.#socket = undefined;
      throw error;
    });
    return this.#socket;
  }

  async #open({ start }: { start: boolean }): Promise<Socket> {
    const deadline = Date.now() + startTimeoutMs;
    const first = await this.#try();
    if (first) return first;
    if (!start) throw new EngineError("unavailable", "no keeper runs");
    this.#spawn();
    for (;;) {
      const socket = await this.#try();
      if (socket) return socket;
      if (Date.now() > deadline || this.#closed)
        throw new EngineError("unavailable", `the keeper did not start, see ${join(this.#execRoot, "monitor/log")}`);
      await Bun.sleep(5);
    }
  }

  #try(): Promise<Socket | undefined> {
    return new Promise((resolve) => {
      const socket = connect(keeperPaths(this.#execRoot).control);
      socket.once("error", () => resolve(undefined));
      socket.once("connect", () => {
        this.#listen(socket);
        resolve(socket);
      });
    });
  }

  #listen(socket: Socket): void {
    const lines = new LineReader();
    socket.on("data", (chunk: Buffer) => {
      for (const line of lines.push(chunk)) {
        const { n, error } = JSON.parse(line) as { n: number; error?: string };
        const answer = this.#answers.get(n);
        this.#answers.delete(n);
        if (error === undefined) answer?.resolve();
        else answer?.reject(new EngineError("internal", `the keeper: ${error}`));
      }
    });
    socket.on("close", () => {
      this.#socket = undefined;
      for (const { reject } of this.#answers.values()) reject(new EngineError("unavailable", "the keeper went away"));
      this.#answers.clear();
      if (!this.#closed) this.#onLost();
    });
  }

  #ask(socket: Socket, request: Asked): Promise<void> {
    const n = ++this.#count;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new EngineError("deadline", `the keeper did not answer in ${answerTimeoutMs / 1000}s`)),
      answerTimeoutMs,
    );
    this.#answers.set(n, { resolve, reject });
    socket.write(`${JSON.stringify({ n, ...request })}\n`);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#answers.delete(n);
    });
  }

  #spawn(): void {
    const log = openSync(
      join(this.#execRoot, "monitor/log"),
      constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND,
      0o600,
    );
    try {
      const child = Bun.spawn([...this.#command()], { stdio: ["ignore", log, log], detached: true, cwd: "/" });
      child.unref();
    } catch (error) {
      throw new EngineError("internal", `cannot start the keeper: ${errorMessage(error)}`, {}, { cause: error });
    } finally {
      closeSync(log);
    }
  }
}
