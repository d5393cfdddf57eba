import { readdirSync } from "node:fs";
import { SyscallError } from "../../kernel/call.ts";
import { nodeTypes, statNode, tryRmdir, tryUnlink } from "../../kernel/fs-node.ts";

/** Removes a path with everything below it, synchronously, in this thread's root. Links are not followed. */
export function removeTree(path: Buffer): void {
  const node = statNode(path);
  if (!node) return;
  if ((node.mode & nodeTypes.mask) !== nodeTypes.folder) return expect("unlink", tryUnlink(path), path);
  const plain = path.subarray(0, path.length - 1);
  for (const child of readdirSync(plain, { encoding: "buffer" })) {
    const joined = Buffer.from(new ArrayBuffer(plain.length + 1 + child.length + 1));
    plain.copy(joined);
    joined[plain.length] = 47;
    Buffer.from(child).copy(joined, plain.length + 1);
    removeTree(joined);
  }
  expect("rmdir", tryRmdir(path), path);
}

function expect(call: string, code: number, path: Buffer): void {
  if (code !== 0 && code !== 2) throw new SyscallError(call, code, path.toString("utf8", 0, path.length - 1));
}
