import { Code, ConnectError } from "@connectrpc/connect";
import { errorKind, errorMessage, type ErrorKind } from "../base/errors.ts";

const codes: Record<ErrorKind, Code> = {
  invalid: Code.InvalidArgument,
  unauthorized: Code.Unauthenticated,
  forbidden: Code.PermissionDenied,
  "not-found": Code.NotFound,
  "not-modified": Code.FailedPrecondition,
  conflict: Code.AlreadyExists,
  unavailable: Code.Unavailable,
  "not-implemented": Code.Unimplemented,
  deadline: Code.DeadlineExceeded,
  cancelled: Code.Canceled,
  internal: Code.Unknown,
};

/** Any failure as gRPC says it. */
export function grpcError(error: unknown): ConnectError {
  return error instanceof ConnectError ? error : new ConnectError(errorMessage(error), codes[errorKind(error)]);
}

/** Runs a call's handler and says its failure in gRPC's way. */
export async function answer<Value>(handle: () => Promise<Value> | Value): Promise<Value> {
  try {
    return await handle();
  } catch (error) {
    throw grpcError(error);
  }
}
