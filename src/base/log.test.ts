import { expect, test } from "bun:test";
import { Logger } from "./log.ts";

function collect(level: "debug" | "info", format: "text" | "json") {
  const lines: string[] = [];
  return { lines, log: new Logger({ level, format, write: (line) => void lines.push(line) }) };
}

test("records below the level are dropped, and the level may change while running", () => {
  const { lines, log } = collect("info", "text");
  log.debug("quiet");
  log.level = "debug";
  log.debug("loud");
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('level=debug msg="loud"');
});

test("text: a value cannot forge a second line", () => {
  const { lines, log } = collect("info", "text");
  log.info("started", { id: "abc", name: 'x\ntime="now" level=error msg="forged"' });
  expect(lines[0]?.split("\n")).toHaveLength(2);
  expect(lines[0]).toContain("id=abc");
});

test("json: one object a line; errors and bigints are readable", () => {
  const { lines, log } = collect("info", "json");
  log.error("failed", { cause: new Error("boom"), atNs: 5n });
  const record = JSON.parse(lines[0] ?? "") as Record<string, string>;
  expect([record["level"], record["msg"], record["atNs"]]).toEqual(["error", "failed", "5"]);
  expect(record["cause"]).toContain("boom");
});
