import { createServer, type Server, type Socket } from "node:net";
import { errorMessage } from "../base/errors.ts";
import type { StreamRequest } from "./protocol.ts";

const maxRequestBytes = 4096;

/** Streams: one line asks, one line answers, then raw bytes both ways. */
export function attachServer(attach: (socket: Socket, request: StreamRequest) => void): Server {
  return createServer({ allowHalfOpen: true }, (socket) => {
    let head: Buffer = Buffer.alloc(0);
    socket.on("error", () => {}); // a client that is gone also closes
    const onData = (chunk: Buffer): void => {
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      const end = head.indexOf(0x0a);
      if (end === -1) {
        if (head.length > maxRequestBytes) socket.destroy();
        return;
      }
      socket.removeListener("data", onData);
      socket.pause();
      try {
        const request = JSON.parse(head.toString("utf8", 0, end)) as StreamRequest;
        socket.write('{"ok":{}}\n');
        if (head.length > end + 1) socket.unshift(head.subarray(end + 1));
        attach(socket, request);
      } catch (error) {
        socket.end(`${JSON.stringify({ error: { kind: "internal", message: errorMessage(error) } })}\n`);
      }
    };
    socket.on("data", onData);
  });
}
