import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { errorMessage } from "../../base/errors.ts";
import { errorStatus } from "../error-reply.ts";
import { type Exchange, writeTo } from "../http/exchange.ts";
import { fdOf } from "../http/listen.ts";
import type { SocketInput } from "../http/socket-input.ts";
import { statusText } from "../http/status-text.ts";
import { Reply } from "../route.ts";
import type { ApiMinor } from "../version.ts";
import { DetachFilter } from "./detach.ts";

/** How often a client that only stopped sending is asked whether it is still there. */
const goneCheckMs = 1000;

/** How long a client may stay after the end of the output without closing its side. */
const lingerMs = 10_000;

export interface HijackOptions {
  readonly tty: boolean;
  readonly minor: ApiMinor;
  /** Exec answers carry Api-Version and its kin, attach does not (engine-api.md 1.4). */
  readonly baseHeaders: boolean;
  /** Keys that end the attachment; undefined where none are looked for. */
  readonly detachKeys: Uint8Array | undefined;
  readonly onDetach: () => void;
  readonly gone: (fd: number) => boolean;
  /** Makes the container's side, before the answer's head: its failure is the answer. */
  readonly open: (signal: AbortSignal) => Promise<Duplex>;
  /** Errors of `open` are text on the taken-over connection (attach), or ordinary JSON (exec). */
  readonly errors: "text" | "json";
}

/** Joins the client's connection and a container's streams until one of them ends. */
export const hijackReply = (options: HijackOptions): Reply =>
  new Reply(async (exchange) => {
    let remote: Duplex;
    try {
      remote = await options.open(exchange.closedSignal);
    } catch (error) {
      if (options.errors === "json") throw error;
      refuse(exchange, error);
      return;
    }
    const { socket, input } = exchange.hijack(upgradeHead(exchange, options));
    join(exchange, { socket, input, remote, options });
  });

/** 101 when an upgrade was asked for, else 200; both without a length, ended by close. */
function upgradeHead(exchange: Exchange, options: HijackOptions): string {
  const upgrade = exchange.head.headers.has("upgrade");
  const base = options.baseHeaders ? exchange.baseHeaders : "";
  if (!upgrade) return `HTTP/1.1 200 OK\r\n${base}Content-Type: application/vnd.docker.raw-stream\r\n\r\n`;
  const type =
    options.minor >= 42 && !options.tty
      ? "application/vnd.docker.multiplexed-stream"
      : "application/vnd.docker.raw-stream";
  return `HTTP/1.1 101 UPGRADED\r\n${base}Content-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`;
}

/** Errors of attach are text, by hand, and end the connection (moby parity: it has already been hijacked there). */
function refuse(exchange: Exchange, error: unknown): void {
  const status = errorStatus(error);
  const { socket, input } = exchange.hijack(
    `HTTP/1.1 ${status} ${statusText(status)}\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n`,
  );
  socket.end(`${errorMessage(error)}\r\n`);
  void drop(input);
}

function join(
  exchange: Exchange,
  parts: { socket: Socket; input: SocketInput; remote: Duplex; options: HijackOptions },
): void {
  const { socket, input, remote, options } = parts;
  const isGone = goneCheck(socket, options.gone);
  const watch = setInterval(() => {
    if (input.ended && isGone()) socket.destroy();
  }, goneCheckMs);
  watch.unref();
  const over = (): void => {
    clearInterval(watch);
    exchange.close();
    remote.destroy();
  };
  socket.once("close", over);
  if (socket.destroyed) over();
  // A container's stream that breaks ends the attachment; the reason is the container's own affair.
  remote.on("error", () => socket.destroy());
  void toClient(remote, socket);
  void toContainer(input, remote, { socket, options, isGone });
}

/**
 * Tells a closed client from one that only stopped sending. Bun drops a half-open socket's handle when the other end
 * closes, without an event; a TLS socket never shows its descriptor, so there only a failed write tells.
 */
function goneCheck(socket: Socket, gone: (fd: number) => boolean): () => boolean {
  const known = fdOf(socket) >= 0;
  return () => {
    if (socket.destroyed) return true;
    const fd = fdOf(socket);
    return fd < 0 ? known : gone(fd);
  };
}

async function toClient(remote: Duplex, socket: Socket): Promise<void> {
  try {
    for await (const piece of remote) {
      const wrote = writeTo(socket, piece as Uint8Array);
      if (!(wrote === true || (await wrote))) break;
    }
  } catch {
    // destroyed on either side: both end below
  }
  // Our side closes first; the client reads to the end and then closes (engine-api.md 1.4).
  if (socket.destroyed) return;
  socket.end();
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
}

/** What the client types. Its end is the end of stdin, not of the attachment: output goes on. */
async function toContainer(
  input: SocketInput,
  remote: Duplex,
  parts: { socket: Socket; options: HijackOptions; isGone: () => boolean },
): Promise<void> {
  const { socket, options, isGone } = parts;
  const filter = options.detachKeys && new DetachFilter(options.detachKeys);
  for (let bytes = await input.take(); bytes !== null; bytes = await input.take()) {
    const { pass, detached } = filter ? filter.push(bytes) : { pass: bytes, detached: false };
    if (pass.length > 0 && remote.writable && !remote.write(pass)) await drained(remote);
    if (!detached) continue;
    options.onDetach();
    remote.destroy();
    socket.end();
    await drop(input);
    return;
  }
  // Once our side has ended too, the client's end is the end of it all.
  if (socket.writableEnded) socket.destroy();
  else if (isGone()) socket.destroy();
  else if (remote.writable) remote.end();
}

function drained(remote: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      remote.off("drain", settle);
      remote.off("close", settle);
      resolve();
    };
    remote.on("drain", settle);
    remote.on("close", settle);
  });
}

/** Reads away what still comes, so that the connection can close. */
async function drop(input: SocketInput): Promise<void> {
  while ((await input.take()) !== null);
}
