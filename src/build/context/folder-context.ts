import { closeSync, fstatSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { openFlags, openInRoot, openRoot } from "../../kernel/openat2.ts";
import type { BuildContext } from "./build-context.ts";

/** A context whose files lie in a folder of this host that nobody else changes. `remove`: the folder goes with it. */
export function folderContext(root: string, options: { remove: readonly string[]; knownFile?: string }): BuildContext {
  return {
    fetch: async () => ({ root, knownFile: options.knownFile ?? "" }),
    readFile: (path, maxBytes) => readInRoot(root, path, maxBytes),
    async [Symbol.asyncDispose]() {
      for (const path of options.remove) await rm(path, { recursive: true, force: true });
    },
  };
}

/** A plain file of the folder; links never lead out. undefined when it is not there. */
export async function readInRoot(root: string, path: string, maxBytes: number): Promise<Buffer | undefined> {
  const rootFd = openRoot(root);
  let fd = -1;
  try {
    fd = openInRoot(rootFd, path, { flags: openFlags.read | openFlags.nonBlock });
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new EngineError("invalid", `${path} is no file`, { path });
    if (stat.size > maxBytes) throw new EngineError("invalid", `${path} is longer than ${maxBytes} bytes`, { path });
    return await readFile(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
    throw error;
  } finally {
    if (fd >= 0) closeSync(fd);
    closeSync(rootFd);
  }
}
