import { Code, ConnectError } from "@connectrpc/connect";
import { EngineError, errorKind, errorMessage, type ErrorKind } from "../base/errors.ts";
import { SourceSchema } from "../spec/buildkit/errdefs.gen.ts";

const codes: Record<ErrorKind, Code> = {
  invalid: Code.Unknown, // as BuildKit's own: buildx puts any other code before the message

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

/** A failed build; where its cause has a line of the Dockerfile, buildx shows the lines around it. */
export function buildError(error: unknown, dockerfile: { fileName: string; text: string }): ConnectError {
  const failure = grpcError(error);
  const detail = error instanceof EngineError ? error.detail : {};
  const line = Number(detail["line"] ?? 0);
  if (line === 0) return failure;
  return new ConnectError(failure.rawMessage, failure.code, {}, [
    {
      desc: SourceSchema,
      value: {
        info: {
          filename: dockerfile.fileName,
          data: new TextEncoder().encode(dockerfile.text),
          language: "Dockerfile",
        },
        ranges: [{ start: { line }, end: { line: Number(detail["endLine"] ?? line) } }],
      },
    },
  ]);
}

/** Runs a call's handler and says its failure in gRPC's way. */
export async function answer<Value>(handle: () => Promise<Value> | Value): Promise<Value> {
  try {
    return await handle();
  } catch (error) {
    throw grpcError(error);
  }
}
