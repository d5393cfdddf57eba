import { mkdtempSync, openSync, closeSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../../base/errors.ts";
import type { Export } from "../../build/build.ts";
import type { ExportRequest } from "../build-side.ts";
import { type ByteSend, sendBytes } from "./send-bytes.ts";
import { sendFiles } from "./send-files.ts";
import type { Session } from "./session.ts";

/** The exporters of a build, as the builder takes them, and what is to do when it is through. */
export interface OpenExports extends AsyncDisposable {
  readonly list: readonly Export[];
  /** Names that the image gets. */
  readonly references: readonly string[];
  /** Everything was written: resolves when the client has it. */
  finish(): Promise<void>;
}

/** Opens the client's side of every exporter. Throws `invalid` for one that is not known. */
export function openExports(
  session: Session,
  requests: readonly ExportRequest[],
  options: { spoolRoot: string; signal: AbortSignal },
): OpenExports {
  const references = new Set<string>();
  const finishers: (() => Promise<void>)[] = [];
  const undo = new AsyncDisposableStack();
  const list = requests.flatMap((request): Export[] => {
    const names = (request.attributes["name"] ?? "").split(",").filter((name) => name !== "");
    for (const name of names) references.add(name);
    const { type, id } = request;
    switch (type) {
      case "moby":
      case "image":
        return [{ type: "image", references: names, push: request.attributes["push"] === "true" }];
      case "docker":
      case "oci":
      case "tar": {
        const send: ByteSend = sendBytes(session, { exporterId: id, signal: options.signal });
        undo.defer(() => send.cancel());
        finishers.push(() => send.end());
        return [{ type, references: names, write: (bytes) => send.write(bytes) }];
      }
      case "local": {
        const spool = openSpool(options.spoolRoot);
        undo.use(spool);
        finishers.push(() => sendFiles(session, spool.close(), { exporterId: id, signal: options.signal }));
        return [{ type: "local", references: [], write: spool.write }];
      }
      case "cacheonly":
        return [];
      default:
        throw new EngineError("invalid", `exporter ${JSON.stringify(type)} could not be found`);
    }
  });
  return {
    list,
    references: [...references],
    async finish() {
      for (const finish of finishers) await finish();
    },
    [Symbol.asyncDispose]: () => undo.disposeAsync(),
  };
}

/** A file on this host for a result that has to be known whole before it is sent. */
function openSpool(spoolRoot: string): AsyncDisposable & { write(bytes: Uint8Array): void; close(): string } {
  const folder = mkdtempSync(join(spoolRoot, "export-"));
  const path = join(folder, "files.tar");
  let fd: number | undefined = openSync(path, "wx", 0o600);
  const close = (): string => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
    return path;
  };
  return {
    write(bytes) {
      if (fd === undefined) return;
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    },
    close,
    async [Symbol.asyncDispose]() {
      close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
