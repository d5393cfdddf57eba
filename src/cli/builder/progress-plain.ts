import type { ProgressOutput } from "../render/progress.ts";
import type { BuildProgress } from "./build-progress.ts";
import type { SolveLine, SolveVertex } from "./solve-stream.ts";

/** One line per thing that happens, as `--progress plain` has it: `#5 0.123 text`. */
export function plainProgress(output: ProgressOutput): BuildProgress {
  const numbers = new Map<string, number>();
  const starts = new Map<string, number>();
  const done = new Set<string>();
  const unfinished = new Map<string, string>();
  let last = "";
  const header = (vertex: SolveVertex): number => {
    let number = numbers.get(vertex.digest);
    if (number === undefined) {
      number = numbers.size + 1;
      numbers.set(vertex.digest, number);
      if (last !== "") output.write("\n");
      output.write(`#${number} ${vertex.name}\n`);
    } else if (last !== vertex.digest) output.write(`\n#${number} ...\n`);
    last = vertex.digest;
    return number;
  };
  const seconds = (digest: string, time: string): number => (Date.parse(time) - (starts.get(digest) ?? 0)) / 1000;
  const vertex = (row: SolveVertex): void => {
    if (row.started !== undefined && !starts.has(row.digest)) starts.set(row.digest, Date.parse(row.started));
    if (row.started === undefined || done.has(row.digest)) return;
    const number = header(row);
    if (row.completed === undefined) return;
    done.add(row.digest);
    const rest = unfinished.get(row.digest);
    if (rest) output.write(`#${number} ${rest}\n`);
    if (row.error !== undefined) output.write(`#${number} ERROR: ${row.error}\n`);
    else if (row.cached) output.write(`#${number} CACHED\n`);
    else output.write(`#${number} DONE ${seconds(row.digest, row.completed).toFixed(1)}s\n`);
  };
  return {
    take(line: SolveLine, known: ReadonlyMap<string, SolveVertex>) {
      for (const row of line.vertexes ?? []) vertex(row);
      for (const log of line.logs ?? []) {
        const row = known.get(log.vertex);
        if (!row) continue;
        const number = header(row);
        const text = (unfinished.get(log.vertex) ?? "") + Buffer.from(log.data, "base64").toString("utf8");
        const lines = text.split("\n");
        unfinished.set(log.vertex, lines.pop() ?? "");
        const at = seconds(log.vertex, log.timestamp).toFixed(3);
        for (const one of lines) output.write(`#${number} ${at} ${one.replace(/^.*\r(?=.)/, "")}\n`);
      }
      if (line.explain) {
        const row = known.get(line.explain.vertex);
        if (row) output.write(`#${header(row)} ${line.explain.text}\n`);
      }
    },
    note: () => {}, // a line for each file would hide the build
    end: () => {},
  };
}
