import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogDriver, LogQuery, LogRecord, LogTarget, LogWriter } from "./driver.ts";

const all: LogQuery = { stdout: true, stderr: true, sinceNs: 0n, untilNs: 0n, tail: "all", follow: false };
const timeNs = 1_700_000_000_123_456_789n;

/** A log in a temporary folder. */
export class Scratch implements AsyncDisposable {
  readonly target: LogTarget;
  readonly driver: LogDriver;
  #writer: LogWriter | undefined;
  #count = 0n;

  constructor(driver: LogDriver, options: Record<string, string> = {}, attributes: Record<string, string> = {}) {
    const folder = mkdtempSync(join(tmpdir(), "berth-log-"));
    this.driver = driver;
    this.target = { driver: driver.name, options, containerId: "c".repeat(64), folder, attributes };
  }

  async write(
    text: string | Uint8Array,
    stream: "stdout" | "stderr" = "stdout",
    at = timeNs + this.#count++,
  ): Promise<void> {
    this.#writer ??= await this.driver.open(this.target);
    await this.#writer.write(stream, typeof text === "string" ? Buffer.from(text) : text, at);
  }

  async close(): Promise<void> {
    await this.#writer?.close();
    this.#writer = undefined;
  }

  async read(query: Partial<LogQuery> = {}): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    for await (const batch of this.#source({ ...all, ...query })) records.push(...batch);
    return records;
  }

  async lines(query: Partial<LogQuery> = {}): Promise<string[]> {
    return (await this.read(query)).map(({ line }) => Buffer.from(line).toString());
  }

  async framed(framing: "multiplexed" | "raw", query: Partial<LogQuery> = {}): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for await (const part of this.driver.readFramed?.(this.target, { ...all, ...query }, framing) ?? [])
      parts.push(part);
    return Buffer.concat(parts);
  }

  files(): string[] {
    return readdirSync(this.target.folder).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    rmSync(this.target.folder, { recursive: true, force: true });
  }

  #source(query: LogQuery): AsyncIterable<readonly LogRecord[]> {
    if (!this.driver.read) throw new Error(`${this.driver.name} cannot be read`);
    return this.driver.read(this.target, query);
  }
}

/** Where `line n` does not follow `line n-1`. */
function gaps(lines: readonly string[]): string[] {
  const found = lines.flatMap((line, index) => (line === `line ${index}\n` ? [] : [`${index}: ${line}`]));
  return lines.length === 2000 ? found.slice(0, 5) : [`${lines.length} lines`, ...found.slice(0, 5)];
}

/** What every driver that keeps files on this host does. */
export function logConformance(driver: LogDriver): void {
  describe(`log driver ${driver.name}`, () => {
    test("gives back lines as they were, with stream and time", async () => {
      await using log = new Scratch(driver);
      const odd = [
        "plain\n",
        "\n",
        'quote " back \\ slash \\n no newline\n',
        "tab\tbell\u0007\u001b[1m\n",
        "žluťoučký 🚢\n",
        '"}\n{"log":"x\n',
        "\u2028\n",
      ];
      await log.write(odd.join(""));
      await log.write("bad\n", "stderr", timeNs + 5_000_000_000n);
      await log.write("no end");
      await log.close();
      const records = await log.read();
      expect(records.map(({ line }) => Buffer.from(line).toString()).sort()).toEqual(
        [...odd.join("").split(/(?<=\n)/), "bad\n", "no end"].sort(),
      );
      expect(records[0]).toMatchObject({ stream: "stdout", timeNs });
      expect(records.find(({ stream }) => stream === "stderr")?.timeNs).toBe(timeNs + 5_000_000_000n);
    });

    test("joins lines that come in pieces, cut inside a character", async () => {
      await using log = new Scratch(driver);
      const text = Buffer.from("čeština\nsecond\n".repeat(50));
      for (let at = 0; at < text.length; at += 3) await log.write(text.subarray(at, at + 3));
      await log.close();
      expect((await log.lines()).join("")).toBe(text.toString());
    });

    test("splits a line over 16 KiB into records without newline, as Docker does", async () => {
      await using log = new Scratch(driver);
      await log.write(`before\n${"x".repeat(40_000)}\nafter\n`);
      expect((await log.lines()).map((line) => line.length)).toEqual([7, 16_384, 16_384, 7_233, 6]);
      await log.write(Buffer.alloc(70_000, "é"));
      await log.close();
      const lines = await log.lines();
      expect(lines.slice(5).join("")).toBe("é".repeat(35_000));
      expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThanOrEqual(16_384);
    });

    test("keeps attributes", async () => {
      await using log = new Scratch(driver, {}, { label: 'a"b', env: "x" });
      await log.write("line\n");
      expect((await log.read())[0]?.attributes).toEqual({ label: 'a"b', env: "x" });
    });

    test("chooses by stream, time and tail", async () => {
      await using log = new Scratch(driver);
      for (let number = 0n; number < 1000n; number++)
        await log.write(`${number}\n`, number % 2n === 0n ? "stdout" : "stderr", timeNs + number);
      expect(await log.lines({ tail: 3 })).toEqual(["997\n", "998\n", "999\n"]);
      expect(await log.lines({ tail: 2, stderr: false })).toEqual(["996\n", "998\n"]);
      expect(await log.lines({ tail: 0 })).toEqual([]);
      expect((await log.lines({ tail: 5000 })).length).toBe(1000);
      expect(await log.lines({ sinceNs: timeNs + 997n })).toEqual(["997\n", "998\n", "999\n"]);
      expect(await log.lines({ untilNs: timeNs + 1n })).toEqual(["0\n", "1\n"]);
      expect(await log.lines({ sinceNs: timeNs + 10n, untilNs: timeNs + 12n, stdout: false })).toEqual(["11\n"]);
      expect((await log.lines({ tail: 3, untilNs: timeNs + 500n })).length).toBeLessThanOrEqual(3);
    });

    test("is bounded by rotation and reads in order across the files", async () => {
      await using log = new Scratch(driver, { "max-size": "4k", "max-file": "3" });
      for (let number = 0; number < 500; number++) await log.write(`line ${number}\n`);
      await log.close();
      expect(log.files().length).toBe(3);
      const lines = await log.lines();
      expect(lines.at(-1)).toBe("line 499\n");
      const first = Number(/\d+/.exec(lines[0] ?? "")?.[0]);
      expect(lines).toEqual(Array.from({ length: 500 - first }, (_, index) => `line ${first + index}\n`));
      expect(await log.lines({ tail: lines.length - 1 })).toEqual(lines.slice(1));
      expect(await log.lines({ tail: 2 })).toEqual(lines.slice(-2));
    });

    test("compresses what it rotates and still reads it", async () => {
      await using log = new Scratch(driver, { "max-size": "4k", "max-file": "3", compress: "true" });
      for (let number = 0; number < 300; number++) await log.write(`line ${number}\n`);
      await log.close();
      expect(log.files().filter((name) => name.endsWith(".gz")).length).toBe(2);
      const lines = await log.lines();
      expect(lines.at(-1)).toBe("line 299\n");
      expect(lines).toEqual(lines.map((_, index) => `line ${300 - lines.length + index}\n`));
    });

    for (const compress of ["false", "true"]) {
      test(`follows across rotation (compress=${compress}), loses and doubles nothing, ends after the last line`, async () => {
        await using log = new Scratch(driver, { "max-size": "20k", "max-file": "5", compress });
        const ended = new AbortController();
        const reading = log.lines({ follow: true, ended: ended.signal });
        for (let number = 0; number < 2000; number++) {
          await log.write(`line ${number}\n`);
          if (number % 50 === 0) await Bun.sleep(1);
        }
        await log.close();
        ended.abort();
        // as numbers, so that a failure says where
        expect(gaps(await reading)).toEqual([]);
      }, 20_000);
    }

    test("a follower gets a line soon, also when it came first, and stops when told to", async () => {
      await using log = new Scratch(driver);
      const stop = new AbortController();
      const got: string[] = [];
      const reading = (async () => {
        for await (const batch of driver.read?.(log.target, {
          ...all,
          follow: true,
          signal: stop.signal,
          ended: new AbortController().signal,
        }) ?? []) {
          got.push(...batch.map(({ line }) => Buffer.from(line).toString()));
        }
      })().catch((error: unknown) => error);
      await Bun.sleep(5);
      await log.write("hello\n");
      const deadline = Date.now() + 2000;
      while (got.length === 0 && Date.now() < deadline) await Bun.sleep(1);
      expect(got).toEqual(["hello\n"]);
      stop.abort();
      await reading;
    });

    test("a record torn by a crash is skipped, and cut off by the next writer", async () => {
      await using log = new Scratch(driver);
      await log.write("one\ntwo\n");
      await log.close();
      const path = join(log.target.folder, log.files()[0] ?? "");
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.subarray(0, bytes.length - 3));
      expect(await log.lines()).toEqual(["one\n"]);
      expect(await log.lines({ tail: 1 })).toEqual(["one\n"]);
      await log.write("three\n");
      expect(await log.lines()).toEqual(["one\n", "three\n"]);
    });

    test("frames for the API equal the records", async () => {
      await using log = new Scratch(driver);
      for (let number = 0; number < 300; number++)
        await log.write(
          `line ${number} ${number % 7 === 0 ? 'with "quotes" \\' : ""}\n`,
          number % 3 === 0 ? "stderr" : "stdout",
        );
      await log.close();
      const records = await log.read();
      expect((await log.framed("raw")).toString()).toBe(
        records.map(({ line }) => Buffer.from(line).toString()).join(""),
      );
      const frames = await log.framed("multiplexed", { tail: 100 });
      let at = 0;
      for (const { stream, line } of records.slice(-100)) {
        expect(frames[at]).toBe(stream === "stdout" ? 1 : 2);
        expect(frames.readUInt32BE(at + 4)).toBe(line.length);
        expect(frames.subarray(at + 8, at + 8 + line.length).equals(line)).toBe(true);
        at += 8 + line.length;
      }
      expect(at).toBe(frames.length);
    });

    test("a log that was never written is empty", async () => {
      await using log = new Scratch(driver);
      expect(await log.lines()).toEqual([]);
      expect(await log.lines({ tail: 10 })).toEqual([]);
    });
  });
}
