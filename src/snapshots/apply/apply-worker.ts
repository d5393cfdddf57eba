// Unpacks archives, one after the other, each in a chroot of this thread. Only synchronous calls: others leave the root.
import { closeSync, mkdirSync, openSync } from "node:fs";
import { EngineError, errorKind, errorMessage } from "../../base/errors.ts";
import { syncFileSystem } from "../../kernel/fs-node.ts";
import { ThreadRoot } from "../../kernel/chroot.ts";
import type { ApplyReply, ApplyRequest } from "./appliers.ts";
import { applyTar } from "./apply.ts";
import { RingReader } from "./ring.ts";
import { keptFolder, SplitWriter } from "./split.ts";

declare const self: {
  onmessage: ((event: MessageEvent<ApplyRequest>) => void) | null;
  postMessage(message: ApplyReply): void;
};

const root = new ThreadRoot();

function apply(request: ApplyRequest): ApplyReply {
  mkdirSync(request.target, { recursive: true });
  const splitFd = request.split === undefined ? -1 : openSync(request.split, "w", 0o600);
  const keptFd = request.split === undefined ? -1 : openFolder(keptFolder(request.split));
  const folderFd = request.sync ? openSync(request.target, "r") : -1;
  try {
    const ring = new RingReader(request.ring);
    const digest = new Bun.CryptoHasher("sha256");
    let tarBytes = 0;
    const source = {
      next(): Uint8Array | undefined {
        const chunk = ring.next();
        if (chunk) {
          digest.update(chunk);
          tarBytes += chunk.length;
          if (tarBytes > request.limits.maxBytes)
            throw new EngineError("invalid", `the archive is larger than ${request.limits.maxBytes} bytes`);
        }
        return chunk;
      },
    };
    const split = splitFd < 0 ? undefined : new SplitWriter(splitFd, keptFd);
    root.enter(request.target);
    let applied;
    try {
      applied = applyTar({
        source,
        limits: request.limits,
        whiteouts: request.whiteouts,
        ...(request.prefix === undefined ? {} : { prefix: request.prefix }),
        ...(request.owner ? { owner: request.owner } : {}),
        ...(split ? { split } : {}),
      });
      split?.end();
    } finally {
      root.leave();
    }
    if (folderFd >= 0) syncFileSystem(folderFd);
    return { ok: true, ...applied, tarBytes, diffId: `sha256:${digest.digest("hex")}` };
  } catch (error) {
    return { ok: false, kind: errorKind(error), message: errorMessage(error) };
  } finally {
    if (splitFd >= 0) closeSync(splitFd);
    if (keptFd >= 0) closeSync(keptFd);
    if (folderFd >= 0) closeSync(folderFd);
  }
}

function openFolder(path: string): number {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return openSync(path, "r");
}

self.onmessage = (event) => self.postMessage(apply(event.data));
