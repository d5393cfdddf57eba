import { ApiError } from "../client/engine-client.ts";
import { ExitError } from "./exit-error.ts";

/** What a failure prints and the status it leaves. */
export function describeFailure(error: unknown, host: string): { message: string; status: number } {
  if (error instanceof ExitError) return { message: error.message, status: error.status };
  return { message: failureText(error, host), status: 1 };
}

/** docker's words for an API answer, an unreachable daemon, or anything else. */
export function failureText(error: unknown, host: string): string {
  if (error instanceof ApiError) return `Error response from daemon: ${error.message}`;
  if (!(error instanceof Error)) return String(error);
  const code = connectCode(error);
  if (code === "EACCES" || code === "EPERM") {
    return `permission denied while trying to connect to the Docker daemon socket at ${host}: connect: permission denied`;
  }
  if (code !== undefined) {
    // scripts match the first sentence; the second is ours
    return `Cannot connect to the Docker daemon at ${host}. Is the docker daemon running? (start it: berth daemon, or npm start)`;
  }
  return error.message;
}

/** The code of a failed connect(2); local files fail with other calls and are not meant here. */
function connectCode(error: Error): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (!("code" in at) || typeof at.code !== "string") continue;
    if ("syscall" in at && at.syscall === "connect") return at.code;
    if (/^(ECONNREFUSED|FailedToOpenSocket|ConnectionRefused|ENOTFOUND)$/.test(at.code)) return at.code;
  }
  return undefined;
}
