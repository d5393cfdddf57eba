// Reads trees that become layers: digest and records of their archive, without a copy. Only synchronous calls.
import { closeSync, openSync } from "node:fs";
import { mkdirSync } from "node:fs";
import { errorKind, errorMessage } from "../../base/errors.ts";
import { keptFolder, SplitWriter } from "../apply/split.ts";
import type { AdoptReply, AdoptRequest } from "./adopt.ts";
import { describeTree } from "../tree/describe-tree.ts";

declare const self: {
  onmessage: ((event: MessageEvent<AdoptRequest>) => void) | null;
  postMessage(message: AdoptReply): void;
};

function adopt(request: AdoptRequest): AdoptReply {
  const splitFd = openSync(request.split, "w", 0o600);
  mkdirSync(keptFolder(request.split), { recursive: true, mode: 0o700 });
  const keptFd = openSync(keptFolder(request.split), "r");
  try {
    const split = new SplitWriter(splitFd, keptFd);
    const digest = new Bun.CryptoHasher("sha256");
    let tarBytes = 0;
    const count = (bytes: Uint8Array): void => {
      digest.update(bytes);
      tarBytes += bytes.length;
    };
    const found = describeTree(
      request.folder,
      {
        raw(bytes) {
          count(bytes);
          split.raw(bytes);
        },
        content: count,
        file: (path, sizeBytes) => split.file(path, sizeBytes),
      },
      { notAfterSeconds: request.notAfterSeconds },
    );
    split.end();
    return {
      ok: true,
      ...found,
      irregular: false,
      namesRoot: true,
      tarBytes,
      diffId: `sha256:${digest.digest("hex")}`,
    };
  } catch (error) {
    return { ok: false, kind: errorKind(error), message: errorMessage(error) };
  } finally {
    closeSync(splitFd);
    closeSync(keptFd);
  }
}

self.onmessage = (event) => self.postMessage(adopt(event.data));
