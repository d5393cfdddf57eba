import { rfc3339 } from "../../base/clock.ts";
import type { BuildEvent } from "../../build/events.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** An event as BuildKit's client writes its SolveStatus in JSON: what `--progress rawjson` prints. */
export function solveStatus(event: BuildEvent, firstVertex: string, fileName: string): Record<string, unknown> {
  switch (event.kind) {
    case "vertex": {
      const { id, name, inputs, startedNs, completedNs, cached, error } = event.vertex;
      return {
        vertexes: [
          {
            digest: id,
            ...(inputs.length > 0 && { inputs }),
            name,
            ...(startedNs > 0n && { started: rfc3339(startedNs) }),
            ...(completedNs > 0n && { completed: rfc3339(completedNs) }),
            ...(cached && { cached }),
            ...(error !== "" && { error }),
          },
        ],
      };
    }
    case "log": {
      const { vertexId, stream, bytes, atNs } = event.log;
      return {
        logs: [
          {
            vertex: vertexId,
            stream: stream === "stdout" ? 1 : 2,
            data: Buffer.from(bytes).toString("base64"),
            timestamp: rfc3339(atNs),
          },
        ],
      };
    }
    case "progress": {
      const { vertexId, id, current, total, startedNs, completedNs } = event.progress;
      return {
        statuses: [
          {
            id,
            vertex: vertexId,
            current,
            ...(total > 0 && { total }),
            ...(startedNs > 0n && { started: rfc3339(startedNs) }),
            ...(completedNs > 0n && { completed: rfc3339(completedNs) }),
          },
        ],
      };
    }
    case "warning": {
      const { rule, message, description, url, line, endLine } = event.warning;
      return {
        warnings: [
          {
            vertex: firstVertex,
            level: 1,
            short: base64(`${rule}: ${message} (line ${line})`),
            detail: [base64(description)],
            url,
            sourceInfo: { filename: fileName },
            range: [{ start: { line }, end: { line: endLine } }],
          },
        ],
      };
    }
    case "notice":
      return { notice: event.text };
    case "explain":
      return { explain: { vertex: event.vertexId, text: event.text } };
  }
}
