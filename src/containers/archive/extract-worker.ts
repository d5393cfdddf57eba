// Unpacks one archive into a running or mounted container, in a chroot of this thread. Only synchronous calls: others
// leave the root.
import { errorKind, errorMessage, type ErrorKind } from "../../base/errors.ts";
import { ThreadRoot } from "../../kernel/chroot.ts";
import { type ApplyLimits, applyTar } from "../../snapshots/apply/apply.ts";
import { type RingMemory, RingReader } from "../../snapshots/apply/ring.ts";

export interface ExtractRequest {
  readonly ring: RingMemory;
  /** Path of the container's root at the host. */
  readonly root: string;
  /** Absolute path in the container. */
  readonly folder: string;
  readonly limits: ApplyLimits;
  readonly noOverwriteDirNonDir: boolean;
  readonly owner?: { readonly uid: number; readonly gid: number };
}

export type ExtractReply =
  | { readonly ok: true }
  | { readonly ok: false; readonly kind: ErrorKind; readonly message: string };

declare const self: {
  onmessage: ((event: MessageEvent<ExtractRequest>) => void) | null;
  postMessage(message: ExtractReply): void;
};

const thread = new ThreadRoot();

function extract(request: ExtractRequest): ExtractReply {
  try {
    const reader = new RingReader(request.ring);
    thread.enter(request.root);
    thread.moveTo(request.folder);
    applyTar({
      source: { next: () => reader.next() },
      limits: request.limits,
      whiteouts: "literal",
      keepKinds: request.noOverwriteDirNonDir,
      ...(request.owner && { owner: request.owner }),
    });
    return { ok: true };
  } catch (error) {
    return { ok: false, kind: errorKind(error), message: errorMessage(error) };
  }
}

self.onmessage = (event) => self.postMessage(extract(event.data));
