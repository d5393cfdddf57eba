import type { MessageInitShape } from "@bufbuild/protobuf";
import type { BuildRecord } from "../build/build.ts";
import type { BuildHistoryEventSchema, BuildHistoryRequest } from "../spec/buildkit/control.gen.ts";

type HistoryEvent = MessageInitShape<typeof BuildHistoryEventSchema>;

/** Values of BuildHistoryEventType. */
const kinds = { started: 0, complete: 1, deleted: 2 };
const unknownCode = 2; // google.rpc.Code

/** How often a listener that stays is told what has changed since. */
const lookMs = 500;

/**
 * Builds as `buildx history` lists them: those that are here, and for a listener that stays, what becomes of them.
 * `list` answers from memory.
 */
export async function* buildHistory(
  request: Pick<BuildHistoryRequest, "ActiveOnly" | "EarlyExit" | "Ref" | "Limit">,
  list: () => readonly BuildRecord[],
  signal: AbortSignal,
): AsyncGenerator<HistoryEvent> {
  const told = new Map<string, BuildRecord["status"]>();
  for (;;) {
    const here = list().filter(({ id }) => request.Ref === "" || id === request.Ref);
    const wanted = here.filter(({ id, status }) => !request.ActiveOnly || status === "running" || told.has(id));
    for (const record of request.Limit > 0 ? wanted.slice(0, request.Limit) : wanted) {
      if (told.get(record.id) === record.status) continue;
      told.set(record.id, record.status);
      yield { type: record.status === "running" ? kinds.started : kinds.complete, record: recordOf(record) };
    }
    if (request.EarlyExit) return;
    const known = new Set(here.map(({ id }) => id));
    for (const id of told.keys()) {
      if (known.has(id)) continue;
      told.delete(id);
      yield { type: kinds.deleted, record: { Ref: id } };
    }
    await pause(signal);
    if (signal.aborted) return;
  }
}

function recordOf(record: BuildRecord): HistoryEvent["record"] {
  const { id, startedNs, completedNs, status, error, imageId, target, platform, name } = record;
  return {
    Ref: id,
    Frontend: "dockerfile.v0",
    FrontendAttrs: {
      ...(target === "" ? {} : { target }),
      ...(platform === "" ? {} : { platform }),
    },
    Exporters: name === "" ? [] : [{ Type: "moby", Attrs: { name } }],
    ...(status === "error" || status === "cancelled" ? { error: { code: unknownCode, message: error || status } } : {}),
    CreatedAt: time(startedNs),
    ...(completedNs > 0n ? { CompletedAt: time(completedNs) } : {}),
    ...(imageId === "" ? {} : { ExporterResponse: { "containerimage.config.digest": imageId } }),
    numCachedSteps: record.cachedSteps,
    numTotalSteps: record.totalSteps,
    numCompletedSteps: record.completedSteps,
    numWarnings: record.warnings,
  };
}

const time = (ns: bigint) => ({ seconds: ns / 1_000_000_000n, nanos: Number(ns % 1_000_000_000n) });

const pause = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, lookMs);
    signal.addEventListener("abort", done, { once: true });
  });
