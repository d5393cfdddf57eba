import { type FileHandle, open } from "node:fs/promises";
import { EngineError } from "../base/errors.ts";

/** Writes all of the chunks at the end of a file, without a copy of them. */
export async function writeChunks(file: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  let left = chunks.filter(({ length }) => length > 0);
  while (left.length > 0) {
    let { bytesWritten } = await file.writev(left);
    // a signal or a disk that is nearly full leaves a part
    const rest: Uint8Array[] = [];
    for (const chunk of left) {
      if (bytesWritten < chunk.length) rest.push(bytesWritten === 0 ? chunk : chunk.subarray(bytesWritten));
      bytesWritten = Math.max(0, bytesWritten - chunk.length);
    }
    left = rest;
  }
}

/** A full disk in words; other errors as they are. */
export function noSpace(error: unknown): unknown {
  if (error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT"))
    return new EngineError("internal", "no space left on device", {}, { cause: error });
  return error;
}

/** Brings a rename in the folder to the disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
