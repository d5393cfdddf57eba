import { EngineError } from "../../base/errors.ts";

/** Bytes and files below a folder. */
export async function upperUsage(upper: string): Promise<{ bytes: number; files: number }> {
  throw new EngineError("not-implemented", `the size of ${upper} is not read yet`);
}
