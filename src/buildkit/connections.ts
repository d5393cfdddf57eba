import { createServer } from "node:http2";
import type { Socket } from "node:net";
import { type ConnectRouter, type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { Caller } from "../spec/caller.ts";

/** Who made the connection that a call came over. */
export const callerKey = createContextKey<Caller>({ via: "engine" }, { description: "caller" });

/** More than any message of a build: definitions and results are small, files travel in pieces. */
const maxMessageBytes = 16 * 1024 * 1024;
const maxSessionMemoryMb = 1000;

/** Serves gRPC on connections that were taken over from HTTP/1.1. */
export class Connections implements Disposable {
  readonly #server;
  readonly #callers = new WeakMap<object, Caller>();
  readonly #open = new Set<Socket>();

  constructor(routes: (router: ConnectRouter) => void) {
    const adapter = connectNodeAdapter({
      grpc: true,
      grpcWeb: false,
      connect: false,
      readMaxBytes: maxMessageBytes,
      routes,
      contextValues: (request): ContextValues => {
        const values = createContextValues();
        const session = "stream" in request ? request.stream.session : undefined;
        const caller = session ? this.#callers.get(session) : undefined;
        return caller ? values.set(callerKey, caller) : values;
      },
    });
    this.#server = createServer({ maxSessionMemory: maxSessionMemoryMb }, adapter);
  }

  /** Serves until the other end is gone. The socket is paused and may hold bytes that came early. */
  serve(socket: Socket, caller: Caller): void {
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
    socket.once("end", () => socket.destroy()); // accepted sockets may stay half open, which HTTP/2 has no use for
    socket.on("error", () => socket.destroy());
    this.#server.once("session", (session) => this.#callers.set(session, caller)); // emitted by the next line
    this.#server.emit("connection", socket);
    socket.resume();
  }

  [Symbol.dispose](): void {
    for (const socket of this.#open) socket.destroy();
  }
}
