import { expect, test } from "bun:test";
import { Readable } from "node:stream";
import { ProgressError, renderProgress } from "./progress.ts";

const collect = (
  terminal: boolean,
  columns = 120,
): { text: string; isTTY: boolean; columns: number; write(text: string): void } => ({
  text: "",
  isTTY: terminal,
  columns,
  write(text) {
    this.text += text;
  },
});
const lines = (...messages: object[]): Readable =>
  Readable.from(messages.map((message) => `${JSON.stringify(message)}\r\n`));

test("without a terminal there are plain lines and no bars", async () => {
  const out = collect(false);
  await renderProgress(
    lines(
      { status: "Pulling from library/busybox", id: "latest" },
      { status: "Pulling fs layer", progressDetail: {}, id: "abc" },
      { status: "Downloading", progressDetail: { current: 10, total: 100 }, id: "abc" },
      { status: "Download complete", progressDetail: {}, id: "abc" },
      { status: "Status: Downloaded newer image" },
    ),
    out,
  );
  expect(out.text).toBe(
    "latest: Pulling from library/busybox\nabc: Pulling fs layer\nabc: Download complete\nStatus: Downloaded newer image\n",
  );
});

test("lines above the screen of a small terminal are left alone", async () => {
  const out = Object.assign(collect(true), { rows: 3 });
  const ids = ["a", "b", "c", "d"];
  await renderProgress(
    lines(
      ...ids.map((id) => ({ status: "Waiting", progressDetail: {}, id })),
      { status: "Pull complete", progressDetail: {}, id: "a" },
      { status: "Pull complete", progressDetail: {}, id: "c" },
    ),
    out,
  );
  expect(out.text).toContain("c: Pull complete");
  expect(out.text).not.toContain("a: Pull complete");
  expect(Math.max(...[...out.text.matchAll(/\u001b\[(\d+)A/g)].map(([, up]) => Number(up)))).toBe(2);
});

test("on a terminal each id keeps its line", async () => {
  const out = collect(true);
  await renderProgress(
    lines(
      { status: "Waiting", progressDetail: {}, id: "a" },
      { status: "Waiting", progressDetail: {}, id: "b" },
      { status: "Downloading", progressDetail: { current: 50, total: 100 }, id: "a" },
    ),
    out,
  );
  const esc = "\u001b";
  expect(out.text).toBe(
    `\n${esc}[1A${esc}[2K\ra: Waiting \r${esc}[1B` +
      `\n${esc}[1A${esc}[2K\rb: Waiting \r${esc}[1B` +
      `${esc}[2A${esc}[2K\ra: Downloading [${"=".repeat(25)}>${" ".repeat(25)}]      50B/100B\r${esc}[2B`,
  );
});

test("a bar says how fast it goes and how long it takes", async () => {
  const out = collect(true);
  let nowMs = 0;
  const nowEach = (): number => (nowMs += 1000);
  await renderProgress(
    lines(
      { status: "Downloading", progressDetail: { current: 1_000_000, total: 10_000_000 }, id: "a" },
      { status: "Downloading", progressDetail: { current: 3_000_000, total: 10_000_000 }, id: "a" },
    ),
    out,
    { nowMs: nowEach },
  );
  expect(out.text).toContain("     3MB/10MB  2MB/s 4s");
});

test("a narrow terminal has no bar, a very narrow one no speed", async () => {
  const narrow = collect(true, 80);
  await renderProgress(lines({ status: "Downloading", progressDetail: { current: 5, total: 10 }, id: "a" }), narrow);
  expect(narrow.text).toContain("a: Downloading       5B/10B");
});

test("an errorDetail is thrown with its text, also when quiet", async () => {
  for (const quiet of [false, true]) {
    const failed = renderProgress(
      lines({ status: "x" }, { errorDetail: { code: 401, message: "access denied" }, error: "access denied" }),
      collect(false),
      { quiet },
    );
    expect(await failed.catch((error: unknown) => error)).toMatchObject({
      name: "ProgressError",
      message: "access denied",
      code: 401,
    });
  }
});

test("a stream of text comes out as it is, and aux goes to its reader", async () => {
  const out = collect(false);
  const seen: unknown[] = [];
  await renderProgress(
    lines({ stream: "Step 1/2\n" }, { aux: { ID: "sha256:1" } }, { stream: "Loaded image: x\n" }),
    out,
    { onAux: (aux) => void seen.push(aux) },
  );
  expect(out.text).toBe("Step 1/2\nLoaded image: x\n");
  expect(seen).toEqual([{ ID: "sha256:1" }]);
});

test("messages cut anywhere by the network are put together", async () => {
  const whole = Buffer.from(`${JSON.stringify({ status: "é日本" })}\n${JSON.stringify({ status: "two" })}`);
  for (let cut = 1; cut < whole.length; cut += 1) {
    const out = collect(false);
    await renderProgress(Readable.from([whole.subarray(0, cut), whole.subarray(cut)]), out);
    expect(out.text).toBe("é日本\ntwo\n");
  }
});

test("what is not JSON is an error that shows it", async () => {
  const failed = renderProgress(Readable.from(["<html>\n"]), collect(false));
  expect(await failed.catch((error: unknown) => error)).toBeInstanceOf(ProgressError);
});
