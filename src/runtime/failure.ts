import { EngineError, errorMessage, type ErrorKind } from "../base/errors.ts";
import { RuntimeFailure } from "./invoke.ts";

// docker CLI, cli/command/container/run.go: these texts become exit codes 127 and 126
const commandFault = /executable file .*not found|no such file or directory|permission denied|is a directory|not a directory|exec format error|cannot find the file specified/i;

/** moby parity (28): the daemon wraps what the runtime says in these words, and clients match on the inner text. */
export function runtimeError(step: "create" | "start" | "exec" | "other", error: unknown, detail: Record<string, unknown>): EngineError {
  const text = error instanceof RuntimeFailure ? error.text : errorMessage(error);
  const kind: ErrorKind = step !== "other" && commandFault.test(text) ? "invalid" : "internal";
  return new EngineError(kind, wording[step](text), detail, { cause: error });
}

const wording = {
  create: (text: string) => `failed to create task for container: failed to create shim task: OCI runtime create failed: ${text}: unknown`,
  start: (text: string) => `failed to start container: OCI runtime start failed: ${text}: unknown`,
  exec: (text: string) => `OCI runtime exec failed: exec failed: ${text}: unknown`,
  other: (text: string) => `OCI runtime: ${text}`,
};
