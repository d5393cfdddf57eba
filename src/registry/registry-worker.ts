import { errorKind, errorMessage } from "../base/errors.ts";
import { Logger } from "../base/log.ts";
import type { FromRegistry, ToRegistry } from "./embedded.ts";
import { readOptions } from "./config.ts";
import { openRegistry, type Registry } from "./open.ts";

// The registry inside of the daemon: a thread of its own, so that no upload delays the engine's answers.
declare const self: Worker;
const say = (message: FromRegistry): void => self.postMessage(message);
let registry: Registry | undefined;

async function obey(message: ToRegistry): Promise<void> {
  if (message.do === "start") {
    const log = new Logger({ level: message.level, format: message.format });
    registry = await openRegistry(await readOptions(message.flags), log);
    say({ is: "serving", address: registry.address ?? registry.socket });
  } else {
    await registry?.[Symbol.asyncDispose]();
    say({ is: "stopped" });
  }
}

self.onmessage = ({ data }: MessageEvent<ToRegistry>) => {
  obey(data).catch((error: unknown) => say({ is: "failed", kind: errorKind(error), text: errorMessage(error) }));
};
