import type { ProgressOutput } from "../render/progress.ts";
import type { BuildProgress } from "./build-progress.ts";
import type { SolveLine, SolveVertex } from "./solve-stream.ts";

/** Lines of a running step's output that are shown below it. */
const tailLines = 6;
const frameMs = 100;

/** The steps with their times, those at work with the end of their output, drawn again in place. */
export function treeProgress(
  output: ProgressOutput & { readonly rows?: number | undefined },
  options: { nowMs?: () => number } = {},
): BuildProgress {
  const now = options.nowMs ?? Date.now;
  const begunMs = now();
  const vertices = new Map<string, SolveVertex>();
  const tails = new Map<string, string[]>();
  const explained = new Map<string, string>();
  let note = "";
  let drawn = 0;
  const draw = (final: boolean): void => {
    const width = Math.max(20, output.columns || 80);
    const lines = frame({ vertices, tails, explained, note, begunMs, nowMs: now(), final }, width);
    // what does not fit on the screen could not be drawn over
    const room = Math.max(4, (output.rows || 24) - 1);
    const shown = final || lines.length <= room ? lines : [lines[0] ?? "", ...lines.slice(lines.length - room + 1)];
    const up = drawn > 0 ? `\u001b[${drawn}A` : "";
    output.write(`${up}\r\u001b[J${shown.map((line) => `${line}\n`).join("")}`);
    drawn = final ? 0 : shown.length;
  };
  const timer = setInterval(() => draw(false), frameMs);
  return {
    take(line: SolveLine) {
      for (const row of line.vertexes ?? []) vertices.set(row.digest, row);
      for (const log of line.logs ?? []) {
        const tail = tails.get(log.vertex) ?? [""];
        const text = (tail.pop() ?? "") + Buffer.from(log.data, "base64").toString("utf8");
        tail.push(...text.split("\n"));
        tails.set(log.vertex, tail.slice(-tailLines - 1));
      }
      if (line.explain) explained.set(line.explain.vertex, line.explain.text);
    },
    note(text) {
      note = text;
    },
    end() {
      clearInterval(timer);
      note = "";
      draw(true);
    },
  };
}

interface Frame {
  readonly vertices: ReadonlyMap<string, SolveVertex>;
  readonly tails: ReadonlyMap<string, readonly string[]>;
  readonly explained: ReadonlyMap<string, string>;
  readonly note: string;
  readonly begunMs: number;
  readonly nowMs: number;
  readonly final: boolean;
}

/** The lines of one picture. */
export function frame({ vertices, tails, explained, note, begunMs, nowMs, final }: Frame, width: number): string[] {
  const begun = [...vertices.values()].filter(({ started }) => started !== undefined);
  const done = begun.filter(({ completed }) => completed !== undefined);
  const lines = [
    `[+] Building ${((nowMs - begunMs) / 1000).toFixed(1)}s (${done.length}/${vertices.size})${final ? " FINISHED" : ""}`,
  ];
  if (note !== "") lines.push(cut(` => ${note}`, width));
  for (const vertex of begun) {
    const started = Date.parse(vertex.started ?? "");
    const end = vertex.completed === undefined ? nowMs : Date.parse(vertex.completed);
    const time = `${Math.max(0, (end - started) / 1000).toFixed(1)}s`;
    const state = vertex.error !== undefined ? "ERROR " : vertex.cached ? "CACHED " : "";
    lines.push(row(` => ${state}${oneLine(vertex.name)}`, time, width));
    const why = explained.get(vertex.digest);
    if (why !== undefined) lines.push(cut(` => => ${why}`, width));
    if (vertex.completed !== undefined) continue;
    const tail = (tails.get(vertex.digest) ?? []).filter((text) => text.trim() !== "").slice(-tailLines);
    for (const text of tail) lines.push(cut(` => => # ${visible(text)}`, width));
  }
  return lines;
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ");
/** Escape sequences of a step's output must not move our cursor. */
const visible = (text: string): string =>
  // eslint-disable-next-line no-control-regex
  text.replaceAll(/\u001b\[[0-9;?]*[ -/]*[@-~]|[\u0000-\u0008\u000b-\u001f\u007f]/g, "").replaceAll("\t", "    ");
const cut = (text: string, width: number): string =>
  text.length > width - 1 ? `${text.slice(0, width - 4)}...` : text;
const row = (text: string, time: string, width: number): string => {
  const left = cut(text, width - time.length - 1);
  return `${left}${" ".repeat(Math.max(1, width - 1 - left.length - time.length))}${time}`;
};
