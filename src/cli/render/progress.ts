import type { Readable } from "node:stream";
import { humanSize } from "./units.ts";

export interface ProgressMessage {
  readonly id?: string;
  readonly status?: string;
  readonly stream?: string;
  readonly progressDetail?: {
    readonly current?: number;
    readonly total?: number;
    readonly units?: string;
    readonly hidecounts?: boolean;
  };
  readonly aux?: unknown;
  readonly error?: string;
  readonly errorDetail?: { readonly code?: number; readonly message?: string };
}

/** The daemon reported a failure inside a stream that had begun well. */
export class ProgressError extends Error {
  readonly code: number | undefined;

  constructor(message: string, code?: number) {
    super(message);
    this.name = "ProgressError";
    this.code = code;
  }
}

export interface ProgressOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

export interface ProgressOptions {
  /** Reads to the end, shows nothing, still throws what the daemon reports. */
  readonly quiet?: boolean | undefined;
  readonly onAux?: (aux: unknown) => void;
  readonly nowMs?: () => number;
}

/**
 * Shows a stream of Docker's progress messages: a line per id with a bar on a terminal, plain lines without bars
 * elsewhere. Throws ProgressError for an `errorDetail`.
 */
export async function renderProgress(
  stream: Readable,
  output: ProgressOutput,
  options: ProgressOptions = {},
): Promise<void> {
  const display = new Display(output, options);
  for await (const message of readMessages(stream)) {
    if (message.aux !== undefined) {
      options.onAux?.(message.aux);
      continue;
    }
    if (message.errorDetail !== undefined || message.error !== undefined) {
      throw new ProgressError(message.errorDetail?.message ?? message.error ?? "", message.errorDetail?.code);
    }
    if (options.quiet !== true) display.show(message);
  }
}

/** A line of JSON longer than this is not a progress message. */
const maxLineBytes = 16 * 1024 * 1024;

/** Objects of a stream of JSON lines (`\n` or `\r\n`). */
export async function* readMessages(stream: Readable): AsyncGenerator<ProgressMessage> {
  for await (const line of readLines(stream)) {
    const message: unknown = parseLine(line);
    if (typeof message === "object" && message !== null) yield message;
  }
}

/** Lines of a stream, without the empty ones. */
export async function* readLines(stream: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pending = "";
  for await (const chunk of stream) {
    pending += typeof chunk === "string" ? chunk : decoder.decode(chunk as Uint8Array, { stream: true });
    const lines = pending.split("\n");
    pending = lines.pop() ?? "";
    if (pending.length > maxLineBytes) throw new ProgressError("the answer of the daemon has a line that is too long");
    for (const line of lines) if (line.trim() !== "") yield line;
  }
  if (pending.trim() !== "") yield pending;
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    // JSON.parse's text says nothing about whose text it was.
    throw new ProgressError(`the answer of the daemon is not JSON: ${line.slice(0, 200)}`);
  }
}

const clearLine = "\u001b[2K";

class Display {
  private readonly output: ProgressOutput;
  private readonly terminal: boolean;
  private readonly nowMs: () => number;
  /** Line of each id, from the first of this group. */
  private lines = new Map<string, number>();
  private readonly started = new Map<string, { atMs: number; current: number; status: string }>();

  constructor(output: ProgressOutput, { nowMs = Date.now }: ProgressOptions) {
    this.output = output;
    this.terminal = output.isTTY === true;
    this.nowMs = nowMs;
  }

  show(message: ProgressMessage): void {
    const { id, progressDetail } = message;
    let up = 0;
    let text = "";
    if (id !== undefined && id !== "" && progressDetail !== undefined) {
      let line = this.lines.get(id);
      if (line === undefined) {
        line = this.lines.size;
        this.lines.set(id, line);
        if (this.terminal) text += "\n";
      }
      up = this.lines.size - line;
      // a line that has left the screen cannot be gone back to
      if (this.terminal && up >= (this.output.rows || Infinity)) return;
      if (this.terminal && up > 0) text += `\u001b[${up}A`;
    } else this.lines = new Map();
    text += this.line(message);
    if (id !== undefined && id !== "" && this.terminal && up > 0) text += `\u001b[${up}B`;
    if (text !== "") this.output.write(text);
  }

  private line(message: ProgressMessage): string {
    const { id, status = "", stream, progressDetail } = message;
    const bar = progressDetail === undefined ? "" : this.bar(message, progressDetail);
    const rewrites = this.terminal && stream === undefined && progressDetail !== undefined;
    if (!rewrites && bar !== "") return "";
    const start = (rewrites ? `${clearLine}\r` : "") + (id === undefined || id === "" ? "" : `${id}: `);
    if (rewrites) return `${start}${status} ${bar}\r`;
    return stream === undefined || stream === "" ? `${start}${status}\n` : start + stream;
  }

  /** `[=====>     ]  1.2MB/3.4MB  12.5MB/s 3s`; docker's bar, with the speed beside it. */
  private bar(
    message: ProgressMessage,
    { current = 0, total = 0, units = "", hidecounts }: NonNullable<ProgressMessage["progressDetail"]>,
  ): string {
    if (current <= 0 && total <= 0) return "";
    const size = (value: number): string => (units === "" ? humanSize(value) : `${value}`);
    if (total <= 0) return units === "" ? size(current).padStart(8) : `${current} ${units}`;
    const width = this.output.columns ?? 200;
    const half = Math.min(50, Math.trunc(Math.trunc((current / total) * 100) / 2));
    const box = width > 110 ? `[${"=".repeat(half)}>${" ".repeat(50 - half)}] ` : "";
    let numbers = "";
    if (hidecounts !== true) {
      if (units !== "") numbers = current > total ? `${current} ${units}` : `${current}/${total} ${units}`;
      else numbers = current > total ? size(current).padStart(8) : `${size(current).padStart(8)}/${size(total)}`;
    }
    return box + numbers + (width > 50 && units === "" && half < 50 ? this.speed(message, current, total) : "");
  }

  private speed({ id = "", status = "" }: ProgressMessage, current: number, total: number): string {
    const nowMs = this.nowMs();
    const seen = this.started.get(id);
    if (seen === undefined || seen.status !== status || current < seen.current) {
      this.started.set(id, { atMs: nowMs, current, status });
      return "";
    }
    const seconds = (nowMs - seen.atMs) / 1000;
    // Under half a second the speed is noise.
    if (seconds < 0.5 || current === seen.current) return "";
    const perSecond = (current - seen.current) / seconds;
    return `  ${humanSize(perSecond, 3)}/s ${clock((total - current) / perSecond)}`;
  }
}

/** Go's rounded duration: `1m5s`. */
function clock(secondsLeft: number): string {
  const seconds = Math.round(secondsLeft);
  const parts = [Math.trunc(seconds / 3600), Math.trunc(seconds / 60) % 60, seconds % 60];
  const [hours = 0, minutes = 0, rest = 0] = parts;
  return `${hours > 0 ? `${hours}h` : ""}${hours > 0 || minutes > 0 ? `${minutes}m` : ""}${rest}s`;
}
