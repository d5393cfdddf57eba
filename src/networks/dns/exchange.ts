import { isIP } from "node:net";
import type { Server } from "./upstreams.ts";

/** Runs a function where a socket shall be made; it comes back before it returns. */
export type Inside = <T>(body: () => T) => T;

/** Between two tries of a datagram that may have been lost. */
const againMs = [800, 1600];
const idBytes = 2;

/**
 * Asks one server by UDP from a fresh socket, so that number and port are both unknown to who would forge an answer.
 * The answer carries the number of the question it was asked with.
 */
export async function askByUdp(
  server: Server,
  packet: Uint8Array,
  options: { inside: Inside; signal: AbortSignal; questionEnd: number },
): Promise<Uint8Array> {
  const { inside, signal, questionEnd } = options;
  const asked = renumbered(packet);
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  promise.catch(() => {}); // may fail while the socket is still opened
  const onAbort = (): void => reject(new Error("no answer"));
  signal.addEventListener("abort", onAbort);
  const opening = inside(() =>
    Bun.udpSocket({
      hostname: isIP(server.address) === 6 ? "::" : "0.0.0.0",
      connect: { hostname: server.address, port: server.port },
      socket: {
        data(_socket, answer) {
          if (answersTo(answer, asked, questionEnd)) resolve(restored(answer, packet));
        },
        error(_socket, error) {
          reject(error);
        },
      },
    }),
  );
  const socket = await opening;
  const timers = againMs.map((delay) => setTimeout(() => socket.send(asked), delay));
  try {
    signal.throwIfAborted();
    socket.send(asked);
    return await promise;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    socket.close();
  }
}

/** Asks one server by TCP. */
export async function askByTcp(
  server: Server,
  packet: Uint8Array,
  options: { inside: Inside; signal: AbortSignal; questionEnd: number },
): Promise<Uint8Array> {
  const { inside, signal, questionEnd } = options;
  const asked = renumbered(packet);
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  promise.catch(() => {}); // may fail while it is still connecting
  const onAbort = (): void => reject(new Error("no answer"));
  signal.addEventListener("abort", onAbort);
  let received = Buffer.alloc(0);
  const connecting = inside(() =>
    Bun.connect({
      hostname: server.address,
      port: server.port,
      socket: {
        open(socket) {
          socket.write(framed(asked));
        },
        data(_socket, chunk) {
          received = Buffer.concat([received, chunk]);
          if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
          const answer = received.subarray(2, 2 + received.readUInt16BE(0));
          if (answersTo(answer, asked, questionEnd)) resolve(restored(answer, packet));
          else reject(new Error(`${server.address} gave an answer to another question`));
        },
        close: () => reject(new Error(`${server.address} closed the connection`)),
        error: (_socket, error) => reject(error),
        connectError: (_socket, error) => reject(error),
      },
    }),
  );
  connecting.catch((error: unknown) => reject(error instanceof Error ? error : new Error(String(error))));
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    connecting.then(
      (socket) => socket.end(),
      () => {}, // it never came about
    );
  }
}

/** A message as TCP has it: its length before it. */
export function framed(packet: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + packet.length);
  bytes[0] = packet.length >>> 8;
  bytes[1] = packet.length & 0xff;
  bytes.set(packet, 2);
  return bytes;
}

function renumbered(packet: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(packet);
  crypto.getRandomValues(copy.subarray(0, idBytes));
  return copy;
}

function restored(answer: Uint8Array, packet: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(answer);
  copy.set(packet.subarray(0, idBytes));
  return copy;
}

/** The same number, an answer, the same question (servers may change the case of letters). */
function answersTo(answer: Uint8Array, asked: Uint8Array, questionEnd: number): boolean {
  if (answer.length < questionEnd || answer[0] !== asked[0] || answer[1] !== asked[1]) return false;
  if (((answer[2] ?? 0) & 0x80) === 0) return false;
  if ((answer[4] ?? 0) !== 0 || answer[5] !== 1) return false;
  for (let at = 12; at < questionEnd; at += 1) if (lower(answer[at] ?? 0) !== lower(asked[at] ?? 0)) return false;
  return true;
}

const lower = (code: number): number => (code >= 65 && code <= 90 ? code + 32 : code);
