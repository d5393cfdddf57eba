import { createWriteStream, mkdirSync } from "node:fs";
import { PassThrough, type Writable } from "node:stream";
import { unpackLocal } from "../copy/unpack-local.ts";
import { ExitError } from "../exit-error.ts";
import { parseCsvLine } from "../values/csv.ts";

/** One `--output`, as the daemon is asked for it and as it is received. */
export interface Output {
  readonly request: Record<string, string>;
  /** Takes its bytes; undefined for what stays with the daemon. */
  readonly open: (() => OutputSink) | undefined;
}

export interface OutputSink {
  write(bytes: Uint8Array): Promise<void>;
  /** Waits until everything is where it belongs. */
  end(): Promise<void>;
}

/** Reads `--output`, `--load` and `--push`. Without any the result is an image of the engine. */
export function readOutputs(
  flags: { output: readonly string[]; load: boolean; push: boolean },
  stdout: NodeJS.WriteStream,
): Output[] {
  const rows = flags.output.map(readRow);
  if (flags.load) rows.push({ type: "image" });
  if (flags.push) {
    const image = rows.find(({ type }) => type === "image" || type === "registry");
    if (image) image["push"] = "true";
    else rows.push({ type: "image", push: "true" });
  }
  if (rows.length === 0) rows.push({ type: "image" });
  return rows.map((row) => open(row, stdout));
}

/** Where caches of `--cache-to type=local` come to: they follow the outputs in the answer. */
export const cacheOutputs = (rows: readonly Readonly<Record<string, string>>[]): Output[] =>
  rows.map((row) => {
    const dest = row["dest"];
    return { request: { ...row }, open: dest === undefined ? undefined : () => folderSink(dest) };
  });

function readRow(text: string): Record<string, string> {
  if (!text.includes("=")) return text === "-" ? { type: "tar", dest: "-" } : { type: "local", dest: text };
  const row: Record<string, string> = {};
  for (const field of parseCsvLine(text)) {
    const equals = field.indexOf("=");
    if (equals < 1) throw new ExitError(1, `invalid value ${field}: outputs are key=value`);
    row[field.slice(0, equals).trim().toLowerCase()] = field.slice(equals + 1);
  }
  if (row["type"] === undefined) throw new ExitError(1, "type is required for output");
  return row;
}

function open(row: Record<string, string>, stdout: NodeJS.WriteStream): Output {
  const { dest, ...request } = row;
  switch (row["type"]) {
    case "docker":
      if (dest === undefined) return { request: { ...request, type: "image" }, open: undefined };
      return { request, open: () => fileSink(dest, stdout) };
    case "oci":
    case "tar":
      if (dest === undefined || dest === "-") {
        if (stdout.isTTY)
          throw new ExitError(1, `dest file is required for ${row["type"]} exporter. refusing to write to console`);
        return { request, open: () => fileSink("-", stdout) };
      }
      return { request, open: () => fileSink(dest, stdout) };
    case "local":
      if (dest === undefined) throw new ExitError(1, "dest is required for local output");
      return { request, open: () => folderSink(dest) };
    default:
      return { request, open: undefined };
  }
}

function fileSink(dest: string, stdout: NodeJS.WriteStream): OutputSink {
  const target: Writable = dest === "-" ? stdout : createWriteStream(dest, { mode: 0o644 });
  let failure: Error | undefined;
  target.on("error", (error) => (failure = error));
  return {
    async write(bytes) {
      if (failure) throw new ExitError(1, `${dest}: ${failure.message}`);
      if (!target.write(bytes)) await new Promise<void>((resume) => target.once("drain", () => resume()));
    },
    async end() {
      if (dest === "-") return;
      await new Promise<void>((done) => target.end(() => done()));
      if (failure) throw new ExitError(1, `${dest}: ${failure.message}`);
    },
  };
}

function folderSink(dest: string): OutputSink {
  mkdirSync(dest, { recursive: true });
  const through = new PassThrough({ highWaterMark: 1024 * 1024 });
  const unpacked = unpackLocal(through, {
    folder: dest,
    name: (entry) => entry,
    owners: false,
    warn: (text) => void process.stderr.write(`${text}\n`),
  });
  unpacked.catch(() => through.destroy()); // told by end()
  return {
    async write(bytes) {
      if (through.destroyed) return unpacked;
      if (!through.write(bytes))
        await Promise.race([new Promise<void>((resume) => through.once("drain", () => resume())), unpacked]);
    },
    async end() {
      through.end();
      await unpacked;
    },
  };
}
