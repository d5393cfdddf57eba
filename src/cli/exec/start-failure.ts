import { ApiError } from "../../client/engine-client.ts";
import { ExitError } from "../exit-error.ts";

/** The status of a container or exec that could not start: 127 not found, 126 not runnable, else 125 (docker's rule). */
export function startStatus(message: string): number {
  if (/executable file not found|no such file or directory|system cannot find the file specified/.test(message))
    return 127;
  if (/permission denied|is a directory/.test(message)) return 126;
  return 125;
}

/** The failure of a start as docker reports it; what is not an answer of the daemon stays as it is. */
export function startFailure(error: unknown): unknown {
  if (!(error instanceof ApiError)) return error;
  return new ExitError(startStatus(error.message), `Error response from daemon: ${error.message}`);
}
