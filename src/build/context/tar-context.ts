import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { newId } from "../../base/id.ts";
import { decompress, type InflateLimits } from "../../content/decompress.ts";
import type { Appliers } from "../../snapshots/apply/appliers.ts";
import type { ApplyLimits } from "../../snapshots/apply/apply.ts";
import { ignorePatterns, readIgnoreFile } from "../../spec/ignore-patterns.ts";
import type { BuildContext } from "./build-context.ts";
import { folderContext, readInRoot } from "./folder-context.ts";

/** What a context may hold: more than any source tree, less than would fill a disk by mistake. */
export const contextLimits: ApplyLimits = { maxBytes: 64 * 1024 ** 3, maxEntries: 5_000_000 };

/** A context that is sent, with limits that tests make small. */
export interface TarContextOptions {
  readonly spoolRoot: string;
  readonly appliers: Appliers;
  readonly signal: AbortSignal;
  readonly limits?: ApplyLimits;
  readonly inflateLimits?: InflateLimits;
}

/** Unpacks a context that is sent as a tar (plain or packed). Everything in it is root's. Throws `invalid`. */
export async function tarContext(source: AsyncIterable<Uint8Array>, options: TarContextOptions): Promise<BuildContext> {
  const root = join(options.spoolRoot, `context-${newId().slice(0, 16)}`);
  await mkdir(root, { recursive: true, mode: 0o755 });
  try {
    await options.appliers.apply(decompress(source, options.inflateLimits), {
      target: root,
      prefix: "",
      whiteouts: "literal",
      owner: { uid: 0, gid: 0 },
      limits: options.limits ?? contextLimits,
      signal: options.signal,
    });
    await dropIgnored(root);
    return folderContext(root, { remove: [root] });
  } catch (error) {
    await rm(root, { recursive: true, force: true });
    if (error instanceof EngineError && error.kind === "invalid")
      throw new EngineError("invalid", `invalid build context: ${error.message}`, error.detail, { cause: error });
    throw error;
  }
}

/** moby parity: a client sends Dockerfile and .dockerignore always; where they are ignored they are not copied. */
async function dropIgnored(root: string): Promise<void> {
  const text = await readInRoot(root, ".dockerignore", 1024 * 1024);
  if (text === undefined) return;
  const patterns = ignorePatterns(readIgnoreFile(text.toString("utf8")));
  // the Dockerfile itself goes when it has been read
  if (patterns.ignores(".dockerignore")) await rm(join(root, ".dockerignore"), { force: true });
}
