import type { RecordBounds } from "./rotating-file.ts";

/** Takes decoded records. `bytes[start, end)` is the line; eight bytes before `start` may be overwritten. */
export interface RecordSink {
  take(
    stream: "stdout" | "stderr",
    timeNs: bigint,
    bytes: Buffer,
    start: number,
    end: number,
    attributes: Readonly<Record<string, string>>,
  ): void;
}

/** How records lie in a log file. Damaged records are skipped. */
export interface RecordFormat extends RecordBounds {
  /** Gives every whole record of bytes[0, end) to the sink; returns where the first incomplete one begins. */
  decode(bytes: Buffer, sink: RecordSink): number;
  /** Start of the first whole record in a block that ends at a record's end; -1 when the block holds none. */
  firstStart(block: Buffer): number;
}

export const noAttributes: Readonly<Record<string, string>> = Object.freeze({});

/** A log's files and their format. */
export interface LogSource {
  readonly path: string;
  readonly maxFiles: number;
  readonly format: RecordFormat;
}
