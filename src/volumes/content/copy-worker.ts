// Copies trees, one request after the other. Only synchronous calls by descriptors, which all threads share.
import { errorKind, errorMessage, type ErrorKind } from "../../base/errors.ts";
import { syncFileSystem } from "../../kernel/fs-node.ts";
import { ownUmask } from "../../kernel/chroot.ts";
import { copyAttributes, copyNodes } from "./copy-nodes.ts";

export interface CopyRequest {
  readonly sourceFd: number;
  readonly targetFd: number;
  /** `attributes`: those of the folder itself alone. `sync`: all of the target's file system goes to the disk. */
  readonly what: "tree" | "attributes" | "sync";
  /** Nobody changes the source. */
  readonly quiet: boolean;
  /** One Int32: not 0 = stop. */
  readonly stop: SharedArrayBuffer;
}

export interface CopyReply {
  readonly failure?: { readonly kind: ErrorKind; readonly message: string };
}

declare const self: {
  onmessage: ((event: MessageEvent<CopyRequest>) => void) | null;
  postMessage(message: CopyReply): void;
};

ownUmask();

self.onmessage = ({ data: { sourceFd, targetFd, what, quiet, stop } }) => {
  const flag = new Int32Array(stop);
  try {
    if (what === "tree") copyNodes(sourceFd, targetFd, { stopped: () => Atomics.load(flag, 0) !== 0, quiet });
    else if (what === "sync") syncFileSystem(targetFd);
    else copyAttributes(sourceFd, targetFd);
    self.postMessage({});
  } catch (error) {
    self.postMessage({ failure: { kind: errorKind(error), message: errorMessage(error) } });
  }
};
