import { EngineError } from "../../base/errors.ts";

/**
 * The bytes of an answer as they come. Throws a transient `unavailable` when none came for `stallMs` or the connection
 * broke. Whoever stops early closes the connection.
 */
export async function* answerBytes(response: Response, options: { stallMs: number }): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  let whole = false;
  try {
    for (;;) {
      const { done, value } = await readInTime(reader, options.stallMs);
      if (done) break;
      yield value;
    }
    whole = true;
  } finally {
    // what cannot be cancelled has ended already
    if (!whole) void reader.cancel().catch(() => undefined);
  }
}

async function readInTime(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  stallMs: number,
): Promise<{ done: true; value?: undefined } | { done: false; value: Uint8Array }> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new EngineError("unavailable", `no byte came for ${stallMs / 1000}s`, { transient: true })),
    stallMs,
  );
  try {
    const { done, value } = await Promise.race([reader.read(), late.promise]);
    return done || value === undefined ? { done: true } : { done, value };
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError("unavailable", "unexpected EOF", { transient: true }, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** A body that must be small, whole. Throws `invalid` when it is longer than `maxBytes`. */
export async function readLimited(
  response: Response,
  { maxBytes, stallMs }: { maxBytes: number; stallMs: number },
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of answerBytes(response, { stallMs })) {
    length += piece.length;
    if (length > maxBytes) throw new EngineError("invalid", `the registry's answer is longer than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces, length);
}

/** Reads what an answer has left, so that its connection can be used again; a long one is dropped. */
export async function discard(response: Response): Promise<void> {
  try {
    await readLimited(response, { maxBytes: 64 * 1024, stallMs: 5000 });
  } catch {
    // only the connection was wanted
  }
}
