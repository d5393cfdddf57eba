import { connect, type Socket } from "node:net";
import { EngineError, type ErrorKind } from "../base/errors.ts";
import type { StreamRequest } from "./protocol.ts";

/** Opens a stream at the monitor; resolves when the client is registered there. */
export function openStream(path: string, request: StreamRequest): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    const fail = (error: Error): void =>
      reject(new EngineError("unavailable", `cannot attach: ${error.message}`, {}, { cause: error }));
    const gone = (): void => fail(new Error("the monitor went away"));
    let head: Buffer = Buffer.alloc(0);
    // by `readable`: a `data` listener would need a pause(), and the next reader then a resume()
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf(0x0a);
      if (end === -1) return;
      socket.removeListener("readable", onReadable);
      socket.removeListener("error", fail);
      socket.removeListener("close", gone);
      const answer = JSON.parse(head.toString("utf8", 0, end)) as { error?: { kind: ErrorKind; message: string } };
      if (answer.error) {
        socket.destroy();
        reject(new EngineError(answer.error.kind, answer.error.message));
        return;
      }
      if (head.length > end + 1) socket.unshift(head.subarray(end + 1));
      socket.on("error", () => {}); // a monitor that dies: the close that follows says it
      resolve(socket);
    };
    socket.on("error", fail);
    socket.on("close", gone);
    socket.on("readable", onReadable);
    socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
  });
}
