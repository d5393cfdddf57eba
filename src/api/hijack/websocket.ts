import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import { EngineError } from "../../base/errors.ts";
import { writeTo } from "../http/exchange.ts";
import { Reply } from "../route.ts";
import { decodeFrames, encodeFrame } from "./websocket-frames.ts";

/** RFC 6455 section 1.3. */
const magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** attach over a WebSocket: bytes as binary messages both ways, never multiplexed (engine-api.md 1.1). */
export function websocketReply(open: (signal: AbortSignal) => Promise<Duplex>): Reply {
  return new Reply(async (exchange) => {
    const { headers } = exchange.head;
    const key = headers.get("sec-websocket-key");
    if (headers.get("upgrade")?.toLowerCase() !== "websocket" || key === undefined)
      throw new EngineError("invalid", "bad websocket handshake");
    const remote = await open(exchange.closedSignal);
    const accept = createHash("sha1")
      .update(key + magic)
      .digest("base64");
    const { socket, input } = exchange.hijack(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.once("close", () => {
      exchange.close();
      remote.destroy();
    });
    remote.on("error", () => socket.destroy());
    void (async () => {
      try {
        for await (const piece of remote) {
          const wrote = writeTo(socket, encodeFrame(2, piece as Uint8Array));
          if (!(wrote === true || (await wrote))) break;
        }
      } catch {
        // destroyed on either side
      }
      if (socket.writable) socket.end(encodeFrame(8, Uint8Array.of(3, 232))); // 1000, normal closure
    })();
    void (async () => {
      for await (const frame of decodeFrames(input)) {
        if (frame.opcode === 8) break;
        if (frame.opcode === 9) await writeTo(socket, encodeFrame(10, frame.payload));
        else if (frame.opcode <= 2 && remote.writable) remote.write(frame.payload);
      }
      socket.destroy();
    })();
  });
}
