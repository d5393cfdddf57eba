import { Refusal } from "../refusal.ts";
import type { BytePart } from "../storage/driver.ts";

/**
 * The one part of a blob that a request wants, half-open; undefined for all of it. What is no byte range, or several,
 * is answered by the whole: RFC 9110, "Range". Throws RANGE_INVALID for a part behind the end.
 */
export function readRange(headers: Headers, blob: { size: number; etag: string }): BytePart | undefined {
  const text = headers.get("range");
  if (text === null) return undefined;
  const condition = headers.get("if-range");
  if (condition !== null && condition !== blob.etag) return undefined;
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(text.trim()) ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return undefined;
  const start = first === "" ? Math.max(0, blob.size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? blob.size : Math.min(blob.size, Number(last) + 1);
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  if (start >= end)
    throw new Refusal("RANGE_INVALID", "the range is behind the end of the blob", {
      headers: { "Content-Range": `bytes */${blob.size}` },
    });
  return { start, end };
}

/** `Content-Range` of a chunk: both ends count. Docker's clients leave out `bytes `. Throws RANGE_INVALID. */
export function readContentRange(headers: Headers): { start: number; end: number } | undefined {
  const text = headers.get("content-range");
  if (text === null) return undefined;
  const [, start, end] = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(text.trim()) ?? [];
  if (start === undefined || end === undefined || Number(end) < Number(start)) {
    const length = headers.get("content-length");
    if (start !== undefined && end !== undefined && length === "0") return undefined; // an empty chunk has no last byte
    throw new Refusal("RANGE_INVALID", "the content range cannot be read", { status: 416 });
  }
  const length = headers.get("content-length");
  if (length !== null && Number(length) !== Number(end) - Number(start) + 1)
    throw new Refusal("SIZE_INVALID", `the range ${start}-${end} does not have ${length.slice(0, 20)} bytes`);
  return { start: Number(start), end: Number(end) };
}
