import { EngineError, type ErrorKind } from "../base/errors.ts";

/** The codes of OCI distribution-spec 1.1, "Error Codes", those that Docker's registry adds, and their answers. */
const codes = {
  BLOB_UNKNOWN: [404, "not-found", "blob unknown to registry"],
  BLOB_UPLOAD_INVALID: [400, "invalid", "blob upload invalid"],
  BLOB_UPLOAD_UNKNOWN: [404, "not-found", "blob upload unknown to registry"],
  DENIED: [403, "forbidden", "requested access to the resource is denied"],
  DIGEST_INVALID: [400, "invalid", "provided digest did not match uploaded content"],
  MANIFEST_BLOB_UNKNOWN: [400, "invalid", "manifest references a manifest or blob unknown to registry"],
  MANIFEST_INVALID: [400, "invalid", "manifest invalid"],
  MANIFEST_UNKNOWN: [404, "not-found", "manifest unknown"],
  NAME_INVALID: [400, "invalid", "invalid repository name"],
  NAME_UNKNOWN: [404, "not-found", "repository name not known to registry"],
  PAGINATION_NUMBER_INVALID: [400, "invalid", "invalid number of results requested"],
  RANGE_INVALID: [416, "invalid", "invalid content range"],
  SIZE_INVALID: [400, "invalid", "provided length did not match content length"],
  TAG_INVALID: [400, "invalid", "manifest tag did not match URI"],
  TOOMANYREQUESTS: [429, "unavailable", "too many requests"],
  UNAUTHORIZED: [401, "unauthorized", "authentication required"],
  UNAVAILABLE: [503, "unavailable", "service unavailable"],
  UNKNOWN: [500, "internal", "unknown error"],
  UNSUPPORTED: [405, "not-implemented", "the operation is unsupported"],
} as const satisfies Record<string, readonly [number, ErrorKind, string]>;

export type RefusalCode = keyof typeof codes;

/** A failure that a client of the registry reads: a code it matches on, a text for people, and what it is about. */
export class Refusal extends EngineError {
  readonly code: RefusalCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  /** Without a text the code's own is told. `status` is for the few codes that HTTP has a better number for. */
  constructor(
    code: RefusalCode,
    text?: string,
    options: {
      detail?: Record<string, unknown>;
      status?: number;
      headers?: Readonly<Record<string, string>>;
      cause?: unknown;
    } = {},
  ) {
    const [status, kind, standard] = codes[code];
    super(kind, text ?? standard, options.detail ?? {}, { cause: options.cause });
    this.code = code;
    this.status = options.status ?? status;
    this.headers = options.headers ?? {};
  }
}
