// Reads and copies trees for steps: paths are resolved by the kernel, calls are synchronous.
import { errorKind, errorMessage } from "../../base/errors.ts";
import { copySelection, makeFolder } from "./copy-tree.ts";
import { digestSelection } from "./digest-tree.ts";
import type { TreeReply, TreeRequest } from "./tree-tools.ts";

declare const self: {
  onmessage: ((event: MessageEvent<TreeRequest>) => void) | null;
  postMessage(message: TreeReply): void;
};

function answer(request: TreeRequest): TreeReply {
  try {
    switch (request.kind) {
      case "digest":
        return { ok: true, value: digestSelection(request.root, request.selection, request.knownFile) };
      case "copy":
        return { ok: true, value: copySelection(request.copy) };
      case "mkdir":
        return { ok: true, value: makeFolder(request.root, request.path, request.owner) };
    }
  } catch (error) {
    return { ok: false, kind: errorKind(error), message: errorMessage(error) };
  }
}

self.onmessage = (event) => self.postMessage(answer(event.data));
