import { EngineError, type ErrorKind } from "../base/errors.ts";
import type { LogFormat, Logger, LogLevel } from "../base/log.ts";
import type { ServeFlags } from "./config.ts";

export type ToRegistry =
  | { readonly do: "start"; readonly flags: ServeFlags; readonly level: LogLevel; readonly format: LogFormat }
  | { readonly do: "stop" };
export type FromRegistry =
  | { readonly is: "serving"; readonly address: string }
  | { readonly is: "stopped" }
  | { readonly is: "failed"; readonly kind: ErrorKind; readonly text: string };

const startMs = 60_000; // a database that is checked after a power cut
const stopMs = 15_000; // longer than requests get to end

/** A registry inside of another process. */
export interface EmbeddedRegistry extends AsyncDisposable {
  readonly address: string;
}

/** Starts a registry in a Worker, with the settings of `registry serve`. Throws what that would say. */
export async function startEmbedded(
  flags: ServeFlags,
  options: { logger: Logger; format: LogFormat },
): Promise<EmbeddedRegistry> {
  const worker = new Worker(new URL("./registry-worker.ts", import.meta.url).href, { ref: false });
  const send = (message: ToRegistry): void => worker.postMessage(message);
  const next = (withinMs: number): Promise<FromRegistry> => {
    const { promise, resolve, reject } = Promise.withResolvers<FromRegistry>();
    const timer = setTimeout(() => reject(new EngineError("deadline", "the registry does not answer")), withinMs);
    worker.onmessage = ({ data }: MessageEvent<FromRegistry>) => resolve(data);
    worker.onerror = ({ message }) => reject(new EngineError("internal", `the registry failed: ${message}`));
    return promise.finally(() => clearTimeout(timer));
  };
  try {
    const started = next(startMs);
    send({ do: "start", flags, level: options.logger.level, format: options.format });
    const said = await started;
    if (said.is === "failed") throw new EngineError(said.kind, `the registry cannot start: ${said.text}`);
    worker.onerror = ({ message }) => options.logger.error("the registry failed", { error: message });
    return {
      address: said.is === "serving" ? said.address : "",
      async [Symbol.asyncDispose]() {
        const stopped = next(stopMs);
        send({ do: "stop" });
        await stopped.catch((error: unknown) => options.logger.warn("the registry did not stop", { cause: error }));
        worker.terminate();
      },
    };
  } catch (error) {
    worker.terminate();
    throw error;
  }
}
