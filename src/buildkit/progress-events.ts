import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { BuildEvent } from "../build/events.ts";
import type { StatusUpdate } from "./progress-log.ts";

/** An event of a build as BuildKit's Status stream says it. `dockerfile` is shown beside warnings. */
export function statusOf(event: BuildEvent, dockerfile: { fileName: string; text: string }): StatusUpdate {
  switch (event.kind) {
    case "vertex": {
      const { id: digest, name, inputs, cached, error, startedNs, completedNs } = event.vertex;
      return {
        vertexes: [{ digest, name, inputs: [...inputs], cached, error, ...times(startedNs, completedNs) }],
      };
    }
    case "log": {
      const { vertexId: vertex, stream, bytes: msg, atNs } = event.log;
      return {
        logs: [{ vertex, stream: stream === "stderr" ? 2n : 1n, msg: Uint8Array.from(msg), timestamp: time(atNs) }],
      };
    }
    case "progress": {
      const { vertexId: vertex, id: ID, current, total, startedNs, completedNs } = event.progress;
      return {
        statuses: [
          {
            ID,
            vertex,
            name: ID,
            current: BigInt(current),
            total: BigInt(total),
            timestamp: timestampFromMs(Date.now()),
            ...times(startedNs, completedNs),
          },
        ],
      };
    }
    case "warning": {
      const { warning } = event;
      const text = (value: string): Uint8Array => new TextEncoder().encode(value);
      return {
        warnings: [
          {
            vertex: definitionVertex,
            level: 1n,
            short: text(`${warning.rule}: ${warning.message} (line ${warning.line})`),
            detail: [text(warning.description)],
            url: warning.url,
            info: { filename: dockerfile.fileName, data: text(dockerfile.text), language: "Dockerfile" },
            ranges: [{ start: { line: warning.line }, end: { line: warning.endLine } }],
          },
        ],
      };
    }
    case "notice":
      return { warnings: [{ vertex: definitionVertex, level: 1n, short: new TextEncoder().encode(event.text) }] };
    case "explain":
      return {
        logs: [
          {
            vertex: event.vertexId,
            stream: 1n,
            msg: new TextEncoder().encode(`${event.text}\n`),
            timestamp: timestampFromMs(Date.now()),
          },
        ],
      };
  }
}

/** The step to which warnings belong: reading the Dockerfile. */
export const definitionVertex = `sha256:${new Bun.CryptoHasher("sha256").update("load build definition").digest("hex")}`;

type Time = ReturnType<typeof time>;
const time = (ns: bigint) => ({ seconds: ns / 1_000_000_000n, nanos: Number(ns % 1_000_000_000n) });

/** Members that are known; 0n is not yet. */
const times = (startedNs: bigint, completedNs: bigint): { started?: Time; completed?: Time } => ({
  ...(startedNs > 0n ? { started: time(startedNs) } : {}),
  ...(completedNs > 0n ? { completed: time(completedNs) } : {}),
});
