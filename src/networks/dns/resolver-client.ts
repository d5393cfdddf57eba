import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { EngineError, errorMessage } from "../../base/errors.ts";
import { LineReader } from "../../base/line-reader.ts";
import { type Box, type ResolverAnswer, resolverPaths, type ResolverRequest, resolverVersion } from "./protocol.ts";

const startTimeoutMs = 15_000;
const answerTimeoutMs = 15_000;
/** Between two tries to have a resolver again. */
const retryMs = 500;

type Asked = ResolverRequest extends infer Request
  ? Request extends ResolverRequest
    ? Omit<Request, "n">
    : never
  : never;

export interface ResolverClientOptions {
  readonly execRoot: string;
  /** The command that starts a resolver: `berth dns --exec-root ...`. */
  readonly command: () => readonly string[];
  readonly log: (text: string) => void;
}

/**
 * The daemon's side of the resolver process, which is started with the first name and lives on without the daemon.
 * What it was told is kept here too: a resolver that died is started again and told everything.
 */
export class ResolverClient {
  readonly #options: ResolverClientOptions;
  readonly #boxes = new Map<string, Box>();
  readonly #answers = new Map<number, { resolve: (answer: ResolverAnswer) => void; reject: (error: Error) => void }>();
  #connection: Promise<Socket> | undefined;
  #count = 0;
  #closed = false;
  #retrying = false;

  constructor(options: ResolverClientOptions) {
    this.#options = options;
  }

  /** Starts the resolver if none runs, so that the first container need not wait for it. */
  warm(): void {
    this.#connected().catch((error: unknown) => this.#options.log(errorMessage(error)));
  }

  /** When it resolves the container's names do, for it and for others. */
  async put(box: Box): Promise<void> {
    this.#boxes.set(box.id, box);
    try {
      await this.#ask(await this.#connected(), { op: "put", box });
    } catch (error) {
      // It ended in between: its successor is asked.
      if (!(error instanceof EngineError) || error.kind !== "unavailable" || this.#closed) throw error;
      await this.#ask(await this.#connected(), { op: "put", box });
    }
  }

  /** Whether the container is one of those that ask the resolver. */
  serves(id: string): boolean {
    return this.#boxes.has(id);
  }

  /** Forgets a container's names. Nobody waits for it. */
  drop(id: string): void {
    if (!this.#boxes.delete(id) || this.#connection === undefined) return;
    this.#connection
      .then((socket) => this.#ask(socket, { op: "drop", id }))
      .catch((error: unknown) => {
        if (!this.#closed) this.#options.log(`the resolver was not told of an end: ${errorMessage(error)}`);
      });
  }

  /** What there is after a start of the daemon. */
  async sync(boxes: readonly Box[]): Promise<void> {
    this.#boxes.clear();
    for (const box of boxes) this.#boxes.set(box.id, box);
    if (boxes.length === 0) {
      // One that runs may hold names of containers that ended meanwhile.
      const socket = await this.#try();
      if (socket === undefined) return;
      this.#connection = Promise.resolve(socket);
      await this.#ask(socket, { op: "sync", boxes });
      return;
    }
    // One that is opened now is told everything as it is; one that was open is told here.
    const open = this.#connection !== undefined;
    const socket = await this.#connected();
    if (open) await this.#ask(socket, { op: "sync", boxes: [...this.#boxes.values()] });
  }

  /** Lets go of the resolver, which goes on. With `end` it ends, too. */
  async close(options: { end: boolean }): Promise<void> {
    this.#closed = true;
    const socket = await this.#connection?.catch(() => undefined);
    if (socket === undefined) return;
    if (options.end) await this.#ask(socket, { op: "end" }).catch(() => undefined); // it may be gone already
    socket.destroy();
  }

  #connected(): Promise<Socket> {
    this.#connection ??= this.#open().catch((error: unknown) => {
      this.#connection = undefined;
      throw error;
    });
    return this.#connection;
  }

  async #open(): Promise<Socket> {
    const socket = await this.#reach();
    const { failed = {} } = await this.#ask(socket, { op: "sync", boxes: [...this.#boxes.values()] });
    for (const [id, reason] of Object.entries(failed))
      this.#options.log(`names do not resolve in container ${id.slice(0, 12)}: ${reason}`);
    return socket;
  }

  /** A resolver that speaks our version. */
  async #reach(): Promise<Socket> {
    const deadline = performance.now() + startTimeoutMs;
    for (let spawned = false; ;) {
      const socket = await this.#try();
      if (socket !== undefined) {
        const { version } = await this.#ask(socket, { op: "hello" });
        if (version === resolverVersion) return socket;
        await this.#ask(socket, { op: "end" });
        socket.destroy();
        spawned = false;
      } else if (!spawned) {
        this.#spawn();
        spawned = true;
      }
      if (performance.now() > deadline || this.#closed) {
        throw new EngineError(
          "unavailable",
          `the resolver of container names did not start, see ${resolverPaths(this.#options.execRoot).log}`,
        );
      }
      await Bun.sleep(5);
    }
  }

  #try(): Promise<Socket | undefined> {
    return new Promise((resolve) => {
      const socket = connect(resolverPaths(this.#options.execRoot).control);
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
        const answer = JSON.parse(line) as ResolverAnswer;
        const waiting = this.#answers.get(answer.n);
        this.#answers.delete(answer.n);
        if (answer.error === undefined) waiting?.resolve(answer);
        else waiting?.reject(new EngineError("internal", `the resolver of container names: ${answer.error}`));
      }
    });
    socket.on("close", () => {
      for (const { reject } of this.#answers.values())
        reject(new EngineError("unavailable", "the resolver of container names went away"));
      this.#answers.clear();
      this.#connection = undefined;
      void this.#again();
    });
  }

  /** Containers without names are broken: a resolver that went away is replaced at once. */
  async #again(): Promise<void> {
    if (this.#retrying) return;
    this.#retrying = true;
    while (!this.#closed && this.#connection === undefined && this.#boxes.size > 0) {
      try {
        await this.#connected();
        this.#options.log("the resolver of container names had ended and runs again");
      } catch (error) {
        this.#options.log(errorMessage(error));
        await Bun.sleep(retryMs);
      }
    }
    this.#retrying = false;
  }

  #ask(socket: Socket, request: Asked): Promise<ResolverAnswer> {
    const n = ++this.#count;
    const { promise, resolve, reject } = Promise.withResolvers<ResolverAnswer>();
    if (socket.destroyed)
      return Promise.reject(new EngineError("unavailable", "the resolver of container names is gone"));
    const timer = setTimeout(
      () =>
        reject(
          new EngineError("deadline", `the resolver of container names did not answer in ${answerTimeoutMs / 1000}s`),
        ),
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
    const paths = resolverPaths(this.#options.execRoot);
    mkdirSync(paths.folder, { recursive: true, mode: 0o700 });
    const log = openSync(paths.log, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o600);
    try {
      const child = Bun.spawn([...this.#options.command()], { stdio: ["ignore", log, log], detached: true, cwd: "/" });
      child.unref();
    } catch (error) {
      throw new EngineError(
        "internal",
        `cannot start the resolver of container names: ${errorMessage(error)}`,
        {},
        { cause: error },
      );
    } finally {
      closeSync(log);
    }
  }
}
