import { constants, fstatSync, openSync, writeSync } from "node:fs";

/**
 * Standard output or error without its price: process.stdout costs a short command 7 ms, half of all it takes. Text
 * goes straight to the descriptor; the real stream is made when somebody asks for more than writing, or when the
 * reader is slow and writes have to wait.
 */
export function lightOutput(fd: 1 | 2): NodeJS.WriteStream {
  let real: NodeJS.WriteStream | undefined;
  const upgrade = (): NodeJS.WriteStream => {
    if (real === undefined) {
      real = fd === 1 ? process.stdout : process.stderr;
      real.on("error", leaveOnBrokenPipe);
    }
    return real;
  };
  const direct = new DirectWriter(fd);
  const write: NodeJS.WriteStream["write"] = (chunk: Uint8Array | string, ...more: unknown[]): boolean => {
    const left = real === undefined ? direct.write(chunk) : chunk;
    if (left !== undefined) return Reflect.apply(upgrade().write, upgrade(), [left, ...more]);
    const done = more.at(-1);
    if (typeof done === "function") queueMicrotask(() => void done());
    return true;
  };
  const light = {
    write,
    get writableLength(): number {
      return real?.writableLength ?? 0;
    },
    get isTTY(): boolean {
      // files and pipes are the rule where a program reads us
      return real === undefined && !fstatSync(fd).isCharacterDevice() ? false : upgrade().isTTY === true;
    },
  };
  return new Proxy(light, {
    get(target, name) {
      if (Object.hasOwn(target, name)) return Reflect.get(target, name);
      const stream = upgrade();
      const value: unknown = Reflect.get(stream, name, stream);
      return typeof value === "function" ? value.bind(stream) : value;
    },
  }) as unknown as NodeJS.WriteStream;
}

/** Writes without ever waiting, so that signals and other streams are served while a reader is slow. */
class DirectWriter {
  readonly #given: number;
  #descriptor: number | undefined;

  constructor(fd: number) {
    this.#given = fd;
  }

  /** What could not be written now; undefined when all is out. */
  write(chunk: Uint8Array | string): Uint8Array | undefined {
    let bytes: Uint8Array = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    if (bytes.length === 0) return undefined;
    this.#descriptor ??= openNonBlocking(this.#given);
    if (this.#descriptor < 0) return bytes;
    try {
      while (bytes.length > 0) bytes = bytes.subarray(writeSync(this.#descriptor, bytes));
      return undefined;
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
      if (error.code === "EPIPE") leaveOnBrokenPipe(error);
      if (error.code !== "EAGAIN") throw error;
      return bytes;
    }
  }
}

/**
 * A descriptor to write to without waiting. Pipes and terminals are opened anew, because O_NONBLOCK on the given one
 * would reach every process that shares it; files never wait. -1 where that cannot be (sockets, another user's terminal).
 */
function openNonBlocking(fd: number): number {
  const stat = fstatSync(fd);
  if (stat.isFile()) return fd;
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // the real stream knows what to do with it
    return -1;
  }
}

/** `berth ps | head -1`: the reader left, so there is nobody to tell. 141 is what a shell shows for SIGPIPE. */
function leaveOnBrokenPipe(error: Error): void {
  if ("code" in error && error.code === "EPIPE") process.exit(141);
  throw error;
}
