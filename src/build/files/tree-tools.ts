import { EngineError, type ErrorKind } from "../../base/errors.ts";
import { WorkerPool } from "../../base/worker-pool.ts";
import type { CopyRequest, FoundArchive, Owner } from "./copy-tree.ts";
import type { SelectionDigest } from "./digest-tree.ts";
import type { Selection } from "./select.ts";

export type TreeRequest =
  | { readonly kind: "digest"; readonly root: string; readonly selection: Selection; readonly knownFile: string }
  | { readonly kind: "copy"; readonly copy: CopyRequest }
  | { readonly kind: "mkdir"; readonly root: string; readonly path: string; readonly owner: Owner | null };

export type TreeReply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly kind: ErrorKind; readonly message: string };

/** Work on trees of files, in Workers. */
export class TreeTools {
  readonly #pool = new WorkerPool<TreeRequest, TreeReply>({
    url: new URL("./tree-worker.ts", import.meta.url).href,
    maxWorkers: 2,
    what: "the thread that copies files",
  });

  /** Digest of what would be copied. `knownFile` keeps digests of unchanged files for the next time; empty = none. */
  digest(root: string, selection: Selection, knownFile = ""): Promise<SelectionDigest> {
    return this.#ask({ kind: "digest", root, selection, knownFile });
  }

  copy(copy: CopyRequest): Promise<{ archives: FoundArchive[] }> {
    return this.#ask({ kind: "copy", copy });
  }

  /** Makes a folder below the root with all above it; what is there stays as it is. */
  mkdir(root: string, path: string, owner: Owner | null): Promise<void> {
    return this.#ask({ kind: "mkdir", root, path, owner });
  }

  close(): void {
    this.#pool.close();
  }

  async #ask<Value>(request: TreeRequest): Promise<Value> {
    const reply = await this.#pool.ask(request);
    if (!reply.ok) throw new EngineError(reply.kind, reply.message);
    return reply.value as Value;
  }
}
