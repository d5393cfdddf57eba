import { expect, test } from "bun:test";
import { appendFileSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { logConformance, Scratch } from "./conformance.ts";
import { logDrivers } from "./drivers.ts";

const jsonFile = await logDrivers["json-file"]();
const local = await logDrivers.local();
const none = await logDrivers.none();

logConformance(jsonFile);
logConformance(local);

test("json-file writes Docker's format", async () => {
  await using log = new Scratch(jsonFile);
  await log.write("hi\n<&>\n", "stdout", 1_700_000_000_000_000_001n);
  await log.write("end", "stderr", 1_700_000_001_500_000_000n);
  await log.close();
  const path = join(log.target.folder, `${"c".repeat(64)}-json.log`);
  expect(readFileSync(path, "utf8")).toBe(
    '{"log":"hi\\n","stream":"stdout","time":"2023-11-14T22:13:20.000000001Z"}\n' +
      '{"log":"<&>\\n","stream":"stdout","time":"2023-11-14T22:13:20.000000001Z"}\n' +
      '{"log":"end","stream":"stderr","time":"2023-11-14T22:13:21.500000000Z"}\n',
  );
});

test("json-file reads what dockerd wrote, and skips lines that are damaged", async () => {
  await using log = new Scratch(jsonFile);
  const path = join(log.target.folder, `${"c".repeat(64)}-json.log`);
  writeFileSync(
    path,
    '{"log":"\\u003c\\u0026\\u003e\\u0008\\u0009\\ufffd\\n","stream":"stdout","time":"2026-11-21T06:45:49.157601051Z"}\n' +
      "\0\0\0\0 damage\n[1]\nnull\n" +
      '{"log":"x\\n","stream":"stderr","attrs":{"a":"b"},"time":"2026-11-21T06:45:49.1Z"}\n',
  );
  const records = await log.read();
  expect(records.map(({ line }) => Buffer.from(line).toString())).toEqual(["<&>\b\t\ufffd\n", "x\n"]);
  expect(records[1]).toMatchObject({ stream: "stderr", attributes: { a: "b" } });
  expect((records[1]?.timeNs ?? 0n) % 1_000_000_000n).toBe(100_000_000n);
});

test("options are refused in Docker's words", () => {
  const refused = (driver: typeof jsonFile, options: Record<string, string>): string => {
    try {
      driver.validate(options);
      return "";
    } catch (error) {
      return String(error);
    }
  };
  expect(refused(jsonFile, { foo: "bar" })).toContain("unknown log opt 'foo' for json-file log driver");
  expect(refused(local, { foo: "bar" })).toContain("unknown log opt 'foo' for log driver local");
  expect(refused(none, { foo: "bar" })).toContain("invalid logging opts for driver none");
  expect(refused(jsonFile, { "max-size": "abc" })).toContain("invalid size: 'abc'");
  expect(refused(jsonFile, { "max-file": "0" })).toContain("max-file cannot be less than 1");
  expect(refused(jsonFile, { compress: "maybe" })).toContain('strconv.ParseBool: parsing "maybe": invalid syntax');
  expect(refused(jsonFile, { compress: "true", "max-file": "1" })).toContain(
    "compress cannot be true when max-file is less than 2 or max-size is not set",
  );
  expect(refused(jsonFile, { mode: "x" })).toContain("logger: logging mode not supported: x");
  expect(refused(jsonFile, { "max-buffer-size": "1m" })).toContain(
    "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
  );
  for (const options of [
    {},
    { "max-size": "10m", "max-file": "3" },
    { "max-size": "-1" },
    { mode: "non-blocking", "max-buffer-size": "4m" },
    { tag: "x", labels: "a,b", env: "X" },
  ]) {
    expect(refused(jsonFile, options)).toBe("");
  }
});

test("non-blocking mode drops what does not fit into the buffer instead of waiting", async () => {
  await using log = new Scratch(jsonFile, { mode: "non-blocking", "max-buffer-size": "100k" });
  await log.write("");
  await Promise.all(Array.from({ length: 50 }, () => log.write(`${"x".repeat(9_999)}\n`)));
  await log.close();
  const lines = await log.lines();
  expect(lines.length).toBeGreaterThan(5);
  expect(lines.length).toBeLessThan(30);
});

test("a full disk loses output, never the container's next line", async () => {
  await using log = new Scratch(jsonFile);
  await log.write("before\n");
  await log.close();
  // /dev/full: every write fails with ENOSPC
  const path = join(log.target.folder, `${"c".repeat(64)}-json.log`);
  const { renameSync, symlinkSync, rmSync } = await import("node:fs");
  renameSync(path, `${path}.kept`);
  symlinkSync("/dev/full", path);
  await log.write("lost\n");
  await log.close();
  rmSync(path);
  renameSync(`${path}.kept`, path);
  await log.write("after\n");
  expect(await log.lines()).toEqual(["before\n", "after\n"]);
});

test("a record that a full disk tore is not mixed with the one that takes its place", async () => {
  await using log = new Scratch(jsonFile);
  await log.write("1\n");
  const path = join(log.target.folder, `${"c".repeat(64)}-json.log`);
  const whole = statSync(path).size;
  appendFileSync(path, '{"log":"12');
  const ended = new AbortController();
  const query = { stdout: true, stderr: true, sinceNs: 0n, untilNs: 0n, tail: "all", follow: true } as const;
  const seen: string[] = [];
  for await (const batch of jsonFile.read?.(log.target, { ...query, ended: ended.signal }) ?? []) {
    seen.push(...batch.map(({ line }) => Buffer.from(line).toString()));
    if (seen.length > 1) break;
    truncateSync(path, whole); // as the writer does when the disk refuses the rest
    await log.write("57\n");
    ended.abort();
  }
  expect(seen).toEqual(["1\n", "57\n"]);
});

test.each([jsonFile, local])("a log that is removed while it is read is read to its end: %p", async (driver) => {
  await using log = new Scratch(driver);
  await log.write("1\n");
  const ended = new AbortController();
  const opened = Promise.withResolvers<void>();
  const query = { stdout: true, stderr: true, sinceNs: 0n, untilNs: 0n, tail: 0, follow: true } as const;
  const records = driver.read?.(log.target, { ...query, ended: ended.signal, opened: opened.resolve });
  const reading = Array.fromAsync(records ?? []); // tail 0: nothing comes before what is written now
  await opened.promise;
  await log.write("2\n");
  rmSync(log.target.folder, { recursive: true });
  ended.abort();
  expect((await reading).flat().map(({ line }) => Buffer.from(line).toString())).toEqual(["2\n"]);
  mkdirSync(log.target.folder); // for whoever cleans up
});

test.each([jsonFile, local])("on a disk that fills in the middle of a write whole records stay: %p", async (driver) => {
  await using log = new Scratch(driver, driver === local ? { compress: "false" } : {});
  // a disk of 64 KiB
  const small = join(log.target.folder, "small");
  mkdirSync(small);
  expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small]).exitCode).toBe(0);
  try {
    const target = { ...log.target, folder: small };
    const writer = await driver.open(target);
    const text = Array.from({ length: 5_000 }, (_, number) => `${number}\n`).join("");
    await writer.write("stdout", Buffer.from(text), 1_700_000_000_000_000_000n);
    expect(writer.lostBytes).toBeGreaterThan(0);
    const lines: number[] = [];
    const query = { stdout: true, stderr: true, sinceNs: 0n, untilNs: 0n, tail: "all", follow: false } as const;
    for await (const batch of driver.read?.(target, query) ?? [])
      for (const { line } of batch) lines.push(Number(Buffer.from(line).toString()));
    expect(lines.length).toBeGreaterThan(100);
    expect(lines).toEqual(Array.from({ length: lines.length }, (_, number) => number));
    const last: string[] = [];
    for await (const batch of driver.read?.(target, { ...query, tail: 1 }) ?? [])
      for (const { line } of batch) last.push(Buffer.from(line).toString());
    expect(last).toEqual([`${lines.length - 1}\n`]);
    await writer.close();
  } finally {
    Bun.spawnSync(["umount", small]);
  }
});
