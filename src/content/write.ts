import { type FileHandle, open } from "node:fs/promises";
import { EngineError } from "../base/errors.ts";

/** Writes all of the chunks at the end of a file. */
export async function writeChunks(file: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  const [first] = chunks;
  const bytes = chunks.length === 1 && first ? first : Buffer.concat(chunks);
  for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
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
