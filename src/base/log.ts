import { writeSync } from "node:fs";

export const logLevels = ["debug", "info", "warn", "error", "fatal"] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFormat = "text" | "json";
export type LogFields = Readonly<Record<string, unknown>>;

/** The engine's own log: one line per record, on stderr unless told otherwise. Logging never throws. */
export class Logger {
  level: LogLevel;
  readonly #format: LogFormat;
  readonly #write: (line: string) => void;

  constructor(options: { level: LogLevel; format: LogFormat; write?: (line: string) => void }) {
    this.level = options.level;
    this.#format = options.format;
    this.#write = options.write ?? toStderr;
  }

  log(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (logLevels.indexOf(level) < logLevels.indexOf(this.level)) return;
    this.#write(this.#format === "json" ? jsonLine(level, message, fields) : textLine(level, message, fields));
  }
  debug(message: string, fields?: LogFields): void {
    this.log("debug", message, fields);
  }
  info(message: string, fields?: LogFields): void {
    this.log("info", message, fields);
  }
  warn(message: string, fields?: LogFields): void {
    this.log("warn", message, fields);
  }
  error(message: string, fields?: LogFields): void {
    this.log("error", message, fields);
  }
}

function jsonLine(level: LogLevel, message: string, fields: LogFields): string {
  return `${JSON.stringify({ time: new Date().toISOString(), level, msg: message, ...fields }, plain)}\n`;
}

// logfmt, as dockerd writes it: values that could be misread are quoted, so no value can forge a line
function textLine(level: LogLevel, message: string, fields: LogFields): string {
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${word(value)}`);
  return `time=${JSON.stringify(new Date().toISOString())} level=${level} msg=${JSON.stringify(message)}${rest.join("")}\n`;
}

function word(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(plain("", value), plain) ?? String(value));
  return /^[\w./:@-]+$/.test(text) ? text : JSON.stringify(text);
}

function plain(_name: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Error) return value.stack ?? value.message;
  return value;
}

function toStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // nobody reads stderr any more, or its disk is full: the engine goes on without its log
  }
}
