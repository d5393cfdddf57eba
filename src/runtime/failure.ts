import { EngineError, errorMessage, type ErrorKind } from "../base/errors.ts";
import { RuntimeFailure } from "./invoke.ts";

// docker CLI, cli/command/container/run.go: these texts become exit codes 127 and 126
const commandFault =
  /executable file .*not found|no such file or directory|permission denied|is a directory|not a directory|exec format error|cannot find the file specified/i;

/** moby parity (28): the daemon wraps what the runtime says in these words, and clients match on the inner text. */
export function runtimeError(
  step: "create" | "start" | "exec" | "other",
  error: unknown,
  detail: Record<string, unknown>,
): EngineError {
  const text = asRunc(error instanceof RuntimeFailure ? error.text : errorMessage(error));
  const kind: ErrorKind = step !== "other" && commandFault.test(text) ? "invalid" : "internal";
  return new EngineError(kind, wording[step](text), detail, { cause: error });
}

/** crun's words for a program that cannot be run become runc's, in the case of Go's errors: clients look for those. */
function asRunc(text: string): string {
  return (
    text
      .replace(/executable file `([^`]*)` not found in \$PATH(?:: No such file or directory)?/, (_all, name: string) =>
        name.includes("/")
          ? `exec: "${name}": stat ${name}: no such file or directory`
          : `exec: "${name}": executable file not found in $PATH`,
      )
      // crun's word for a folder that is to be run; runc says permission denied, which clients turn into 126
      .replace(/open executable: operation not permitted/i, "open executable: permission denied")
      .replace(
        /: (No such file or directory|Permission denied|Is a directory|Not a directory|Exec format error|Operation not permitted)/g,
        (words) => words.toLowerCase(),
      )
  );
}

const wording = {
  create: (text: string) =>
    `failed to create task for container: failed to create shim task: OCI runtime create failed: ${text}: unknown`,
  start: (text: string) => `failed to start container: OCI runtime start failed: ${text}: unknown`,
  exec: (text: string) => `OCI runtime exec failed: exec failed: ${text}: unknown`,
  other: (text: string) => `OCI runtime: ${text}`,
};
