import { execFile } from "node:child_process";
import { errorMessage, EngineError } from "../../base/errors.ts";

const atOnce = 200; // folders per run: their names must fit in a command line
const timeoutMs = 10 * 60_000;

/** Bytes that folders take on the disk, each with all below it; what has several names within one counts once. */
export async function diskBytes(folders: readonly string[]): Promise<number[]> {
  const sizes: number[] = [];
  for (let at = 0; at < folders.length; at += atOnce) {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const args = ["-s", "-x", "--block-size=1", "--", ...folders.slice(at, at + atOnce)];
    execFile("/usr/bin/du", args, { timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024, env: {} }, (error, text) =>
      // a file that went meanwhile is an error with a text that still holds
      error && text === "" ? reject(error) : resolve(text),
    );
    let text = "";
    try {
      text = await promise;
    } catch (error) {
      throw new EngineError("internal", `measuring the disk failed: ${errorMessage(error)}`, {}, { cause: error });
    }
    const byFolder = new Map(
      text.split("\n").map((line) => {
        const tab = line.indexOf("\t");
        return [line.slice(tab + 1), Number(line.slice(0, tab))] as const;
      }),
    );
    for (const folder of folders.slice(at, at + atOnce)) sizes.push(byFolder.get(folder) ?? 0);
  }
  return sizes;
}
