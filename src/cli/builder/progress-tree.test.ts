import { expect, test } from "bun:test";
import { frame } from "./progress-tree.ts";
import type { SolveVertex } from "./solve-stream.ts";

const vertices = new Map<string, SolveVertex>(
  [
    {
      digest: "a",
      name: "[1/3] FROM busybox",
      started: "2026-01-01T00:00:00Z",
      completed: "2026-01-01T00:00:00Z",
      cached: true,
    },
    { digest: "b", name: "[2/3] RUN make", started: "2026-01-01T00:00:01Z", completed: "2026-01-01T00:00:03.5Z" },
    { digest: "c", name: "[3/3] RUN make\n  test", started: "2026-01-01T00:00:04Z" },
    { digest: "d", name: "[4/4] never begun" },
  ].map((vertex) => [vertex.digest, vertex]),
);

test("steps are shown with their times, those at work with the end of their output", () => {
  const lines = frame(
    {
      vertices,
      tails: new Map([["c", ["one", "\u001b[31mtwo\u001b[2J", "three\u0007", ""]]]),
      explained: new Map([["b", "its text is new"]]),
      note: "",
      begunMs: Date.parse("2026-01-01T00:00:00Z"),
      nowMs: Date.parse("2026-01-01T00:00:06.2Z"),
      final: false,
    },
    50,
  );
  expect(lines).toEqual([
    "[+] Building 6.2s (2/4)",
    " => CACHED [1/3] FROM busybox                0.0s",
    " => [2/3] RUN make                           2.5s",
    " => => its text is new",
    " => [3/3] RUN make test                      2.2s",
    " => => # one",
    " => => # two",
    " => => # three",
  ]);
  expect(lines.every((line) => line.length < 50)).toBe(true);
});
