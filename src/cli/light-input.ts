import { fstatSync } from "node:fs";

/**
 * Standard input without its price: process.stdin costs a short command milliseconds even when nothing is read. Away
 * from a terminal iterating it reads by Bun's own stream, which waits for slow consumers; the real stream is made when
 * somebody asks for anything else.
 */
export function lightInput(): NodeJS.ReadStream {
  let real: NodeJS.ReadStream | undefined;
  const upgrade = (): NodeJS.ReadStream => (real ??= process.stdin);
  const isTerminal = (): boolean => (real === undefined && !isDevice() ? false : upgrade().isTTY === true);
  const iterate = (): AsyncIterator<Buffer> =>
    real === undefined && !isTerminal() ? pieces() : upgrade()[Symbol.asyncIterator]();
  return new Proxy({} as NodeJS.ReadStream, {
    get(_, name) {
      if (name === "isTTY") return isTerminal();
      if (name === Symbol.asyncIterator) return iterate;
      const stream = upgrade();
      const value: unknown = Reflect.get(stream, name, stream);
      return typeof value === "function" ? value.bind(stream) : value;
    },
  });
}

function isDevice(): boolean {
  try {
    return fstatSync(0).isCharacterDevice();
  } catch {
    // closed by whoever started us: no terminal
    return false;
  }
}

async function* pieces(): AsyncGenerator<Buffer> {
  for await (const { buffer, byteOffset, length } of Bun.stdin.stream()) yield Buffer.from(buffer, byteOffset, length);
}
