/** The first part of a request: everything before its body. */
export interface RequestHead {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly target: string;
  readonly http10: boolean;
  /** Names in lower case; the values of a repeated name are joined by a comma. */
  readonly headers: ReadonlyMap<string, string>;
}

/** A request that cannot be understood: answered by status and text, then the connection is closed. */
export class BadRequest extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

// RFC 9112: request-line and field-line. Line folding and blanks before the colon are refused (section 5.1, 5.2).
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const requestLine = /^([A-Z]{1,16}) ([^\s\0-\x1f\x7f]+) HTTP\/1\.([01])$/;
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const unfitForValue = /[\0-\x08\x0a-\x1f\x7f]/;
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Reads a head without its closing blank line. Throws BadRequest. */
export function parseHead(text: string): RequestHead {
  const lines = text.split("\r\n");
  const first = requestLine.exec(lines[0] ?? "");
  if (!first) throw new BadRequest(400, "malformed HTTP request line");
  const headers = new Map<string, string>();
  for (let index = 1; index < lines.length; index++) {
    const line = lines[index] ?? "";
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    if (colon < 1 || !fieldName.test(name)) throw new BadRequest(400, "malformed HTTP header");
    const value = trimBlanks(line.slice(colon + 1));
    if (unfitForValue.test(value)) throw new BadRequest(400, "malformed HTTP header");
    const key = name.toLowerCase();
    const before = headers.get(key);
    if (before !== undefined && key === "host") throw new BadRequest(400, "too many Host headers");
    headers.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  const [, method = "", target = "", minor] = first;
  const http10 = minor === "0";
  if (!http10 && !headers.has("host")) throw new BadRequest(400, "missing required Host header");
  return { method, target: originForm(target), http10, headers };
}

/** Only blanks and tabs are optional white space: `\vchunked` must not be chunked here and something else in a proxy. */
function trimBlanks(text: string): string {
  const isBlank = (at: number): boolean => text[at] === " " || text[at] === "\t";
  let [start, end] = [0, text.length];
  while (start < end && isBlank(start)) start++;
  while (end > start && isBlank(end - 1)) end--;
  return text.slice(start, end);
}

/** `http://host/path` (absolute-form, RFC 9112 section 3.2.2) as `/path`. */
function originForm(target: string): string {
  if (target.startsWith("/") || target === "*") return target;
  const absolute = /^https?:\/\/[^/?#]*(.*)$/i.exec(target);
  if (!absolute) throw new BadRequest(400, "malformed HTTP request target");
  const rest = absolute[1] ?? "";
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** How the body is framed: its length in bytes, "chunked", or 0 for none. Throws BadRequest for an ambiguous one. */
export function bodyFraming(head: RequestHead): number | "chunked" {
  const encoding = head.headers.get("transfer-encoding");
  const length = head.headers.get("content-length");
  if (encoding !== undefined) {
    // RFC 9112 section 6.3: both together is how requests are smuggled
    if (length !== undefined) throw new BadRequest(400, "both Transfer-Encoding and Content-Length");
    // section 6.1: HTTP/1.0 has none, so somebody on the way did not understand it
    if (head.http10) throw new BadRequest(400, "Transfer-Encoding in an HTTP/1.0 request");
    if (encoding.toLowerCase() !== "chunked") throw new BadRequest(501, `unsupported transfer encoding`);
    return "chunked";
  }
  if (length === undefined) return 0;
  const bytes = /^\d{1,15}$/.test(length) ? Number(length) : Number.NaN;
  if (Number.isNaN(bytes)) throw new BadRequest(400, "bad Content-Length");
  return bytes;
}

/** Whether a comma-separated header holds a word. */
export const hasToken = (value: string | undefined, token: string): boolean =>
  value !== undefined &&
  value
    .toLowerCase()
    .split(",")
    .some((part) => part.trim() === token);
