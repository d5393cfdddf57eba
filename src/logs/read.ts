import { stat } from "node:fs/promises";
import { EngineError } from "../base/errors.ts";
import type { LogQuery, LogRecord } from "./driver.ts";
import type { LogSource, RecordFormat, RecordSink } from "./format.ts";
import { openFile, openFiles, type SourceFile } from "./source-file.ts";
import { logFiles } from "./rotating-file.ts";
import { Watch } from "./watch.ts";

const blockBytes = 256 * 1024;
/** More without one whole record is damage. */
const maxRecordBytes = 4 * 1024 * 1024;

/** Collects what one block gives. */
interface Collector<T> extends RecordSink {
  /** Called before a block is decoded. */
  begin(bytes: number): void;
  /** What came in since; undefined for nothing. */
  end(): T | undefined;
}

/** Batches of records. */
export function readRecords(source: LogSource, query: LogQuery): AsyncIterable<readonly LogRecord[]> {
  let batch: LogRecord[] = [];
  return read(source, query, {
    begin: () => {
      batch = [];
    },
    take: (stream, timeNs, bytes, start, end, attributes) => {
      batch.push({ stream, timeNs, line: bytes.subarray(start, end), attributes });
    },
    end: () => (batch.length > 0 ? batch : undefined),
  });
}

/** The lines alone, each behind Docker's 8-byte header, or raw. */
export function readFramedRecords(
  source: LogSource,
  query: LogQuery,
  framing: "multiplexed" | "raw",
): AsyncIterable<Uint8Array> {
  const header = framing === "multiplexed" ? 8 : 0;
  let out = Buffer.alloc(0);
  let at = 0;
  return read(source, query, {
    begin: (bytes) => {
      out = Buffer.allocUnsafe(bytes);
      at = 0;
    },
    take: (stream, _timeNs, bytes, start, end) => {
      if (header !== 0) {
        const length = end - start;
        bytes[start - 8] = stream === "stdout" ? 1 : 2;
        bytes[start - 7] = bytes[start - 6] = bytes[start - 5] = 0;
        bytes[start - 4] = length >>> 24;
        bytes[start - 3] = length >>> 16;
        bytes[start - 2] = length >>> 8;
        bytes[start - 1] = length;
      }
      at += bytes.copy(out, at, start - header, end);
    },
    end: () => (at > 0 ? out.subarray(0, at) : undefined),
  });
}

async function* read<T>(source: LogSource, query: LogQuery, collector: Collector<T>): AsyncGenerator<T> {
  const filter = new Filter(query, collector);
  // watched before the first look, so that nothing falls between look and watch
  const watch = query.follow ? new Watch(source.path, query) : undefined;
  let files: SourceFile[] = [];
  try {
    files = await openFiles(source, query.sinceNs);
    const from = await tailStart(files, source.format, query);
    query.opened?.();
    let { file: index, offset } = from;
    filter.skip = from.skip;
    for (;;) {
      const file = files[index];
      if (!file) {
        // no log yet, or all has been read: only a follower goes on
        if (!watch || !(await watch.next())) return;
        const next = await following(source, files[index - 1]);
        if (next) files.push(next);
        continue;
      }
      const last = index === files.length - 1;
      let size = blockBytes;
      for (;;) {
        query.signal?.throwIfAborted();
        // taken before the read: what was written before the end is then seen by it
        const ended = watch?.ended ?? true;
        const bytes = await file.read(offset, size);
        const available = bytes.length;
        collector.begin(available);
        // What is no whole record yet is read again: a full disk may have torn it, and then another takes its place.
        const done = source.format.decode(bytes, filter);
        offset += done;
        if (done > 0) {
          size = blockBytes;
          const batch = collector.end();
          if (batch !== undefined) yield batch;
          if (filter.past) return;
          continue;
        }
        if (available === size) {
          if (size < maxRecordBytes) size *= 2;
          else offset += available;
          continue;
        }
        if (!last) break;
        const next = watch ? await following(source, file) : undefined;
        if (next) {
          // rotated: the old file is complete now, but may have grown since the read
          if ((await file.read(offset, available + 1)).length > available) {
            await next.close();
            continue;
          }
          files.push(next);
          break;
        }
        if (!watch || ended) return;
        await watch.next();
      }
      await file.close();
      index++;
      offset = 0;
    }
  } finally {
    watch?.close();
    for (const file of files) await file.close();
  }
}

/** The file that comes after this one; undefined as long as this is the current one. */
async function following(source: LogSource, file: SourceFile | undefined): Promise<SourceFile | undefined> {
  const current = await stat(source.path, { bigint: true }).catch(() => undefined);
  if (file && (!current || current.ino === file.inode)) return undefined;
  const files = await logFiles(source.path, source.maxFiles);
  const position = file
    ? files.findIndex((one) => one.inode === file.inode || (one.compressed && file.isCompressedAs(one)))
    : -1;
  // not there: either the rotation is on its way still, or it was dropped and the oldest that is left comes next
  if (file && position === -1 && !(await file.unlinked())) return undefined;
  const next = files[position + 1];
  if (!next || next.inode === file?.inode) return undefined;
  return openFile(next).catch(() => undefined); // rotated between look and open: the next turn finds it
}

/** Lets through what the query asks for. */
class Filter implements RecordSink {
  skip = 0;
  past = false;
  readonly query: LogQuery;
  readonly into: RecordSink;

  constructor(query: LogQuery, into: RecordSink) {
    this.query = query;
    this.into = into;
  }

  take(
    stream: "stdout" | "stderr",
    timeNs: bigint,
    bytes: Buffer,
    start: number,
    end: number,
    attributes: Readonly<Record<string, string>>,
  ): void {
    if (this.past || !this.query[stream] || timeNs < this.query.sinceNs) return;
    if (this.query.untilNs !== 0n && timeNs > this.query.untilNs) {
      this.past = true;
      return;
    }
    if (this.skip > 0) this.skip--;
    else this.into.take(stream, timeNs, bytes, start, end, attributes);
  }
}

/** Where the last n matching records begin: read from the end in blocks, as far as needed. */
async function tailStart(
  files: readonly SourceFile[],
  format: RecordFormat,
  query: LogQuery,
): Promise<{ file: number; offset: number; skip: number }> {
  if (query.tail === "all") return { file: 0, offset: 0, skip: 0 };
  if (query.tail < 0) throw new EngineError("invalid", `tail must not be negative: ${query.tail}`);
  let missing = query.tail;
  for (let index = files.length - 1; index >= 0; index--) {
    const file = files[index];
    if (!file) continue;
    let end = await file.wholeSize(format);
    if (missing === 0) return { file: index, offset: end, skip: 0 };
    for (let size = 64 * 1024; end > 0;) {
      const from = Math.max(0, end - size);
      const block = await file.read(from, end - from);
      const first = from === 0 ? 0 : format.firstStart(block);
      if (first === -1) {
        size *= 2;
        continue;
      }
      let count = 0;
      const counter = new Filter(query, { take: () => count++ });
      format.decode(block.subarray(first), counter);
      if (count >= missing) return { file: index, offset: from + first, skip: count - missing };
      missing -= count;
      end = from + first;
      size = blockBytes;
    }
  }
  return { file: 0, offset: 0, skip: 0 };
}
