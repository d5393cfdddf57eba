import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { CacheOptionsEntry, Control, SolveRequest } from "../spec/buildkit/control.gen.ts";
import type { BuildkitVersionSchema, WorkerRecordSchema } from "../spec/buildkit/worker.gen.ts";
import type { BuildSide, CacheEntry, ExportRequest, Solution } from "./build-side.ts";
import { callerKey } from "./connections.ts";
import { answer, grpcError } from "./grpc-error.ts";
import { buildHistory } from "./history.ts";
import type { Jobs } from "./jobs.ts";
import type { Sessions } from "./session/sessions.ts";

/** moby.buildkit.v1.Control: what buildx asks of a builder. */
export function controlService(deps: {
  jobs: Jobs<Solution>;
  sessions: Sessions;
  builds: BuildSide;
}): Partial<ServiceImpl<typeof Control>> {
  const { jobs, sessions, builds } = deps;
  return {
    listWorkers: () => ({ record: [workerRecord(builds)] }),
    info: () => ({ buildkitVersion: buildkitVersion(builds) }),
    solve: (request, context) => answer(async () => ({ ExporterResponse: await solve(request, context) })),

    async *status({ Ref: id }, context) {
      const job = await answer(() => jobs.get(id, context.signal));
      yield* job.progress.read(context.signal);
    },

    diskUsage: ({ filter }) => answer(async () => ({ record: [...(await builds.usage(filter))] })),

    listenBuildHistory: (request, context) => buildHistory(request, builds.history, context.signal),
    // what is pinned or finalized makes no difference here: the newest are kept, with nothing behind them to write
    updateBuildHistory: ({ Ref: id, Delete: remove }) =>
      answer(() => {
        if (remove) builds.forget(id);
        return {};
      }),

    async *prune(request, context) {
      const options = {
        filters: request.filter,
        all: request.all,
        keepDurationNs: request.keepDuration,
        reservedBytes: request.reservedSpace,
        maxUsedBytes: request.maxUsedSpace,
        minFreeBytes: request.minFreeSpace,
      };
      try {
        yield* builds.prune(options, { caller: context.values.get(callerKey), signal: context.signal });
      } catch (error) {
        throw grpcError(error);
      }
    },
  };

  async function solve(request: SolveRequest, context: HandlerContext): Promise<Record<string, string>> {
    if (request.Definition && request.Definition.def.length > 0)
      throw new ConnectError(
        "builds from low-level definitions are not possible: give a Dockerfile",
        Code.Unimplemented,
      );
    using started = jobs.start({
      id: request.Ref,
      sessionId: request.Session,
      caller: context.values.get(callerKey),
      entitlements: new Set(request.Entitlements),
    });
    const { job } = started;
    const session =
      request.Session === "" ? undefined : await sessions.get(request.Session, { signal: context.signal });
    const signal = AbortSignal.any([context.signal, ...(session ? [session.closed] : [])]);
    // a build whose client runs the frontend itself (buildx) waits for what comes over the bridge
    const solution =
      request.Frontend === ""
        ? await untilAborted(job.returned, signal)
        : await builds.solve(
            job,
            { attributes: request.FrontendAttrs, cacheImports: (request.Cache?.Imports ?? []).map(cacheEntry) },
            signal,
          );
    const exports: ExportRequest[] = request.Exporters.map(({ Type, Attrs }, index) => ({
      type: Type,
      attributes: Attrs,
      id: String(index),
    }));
    if (exports.length === 0 && request.ExporterDeprecated !== "")
      exports.push({ type: request.ExporterDeprecated, attributes: request.ExporterAttrsDeprecated, id: "0" });
    const cacheExports = (request.Cache?.Exports ?? []).map(cacheEntry);
    return await builds.export(job, solution, { exports, cacheExports, signal }); // the job lives until it is over
  }
}

const cacheEntry = ({ Type, Attrs }: Pick<CacheOptionsEntry, "Type" | "Attrs">): CacheEntry => ({
  type: Type,
  attributes: Attrs,
});

const buildkitVersion = (builds: BuildSide): MessageInitShape<typeof BuildkitVersionSchema> => ({
  package: "berth",
  version: builds.version,
});

/** The one worker: this engine. What its labels leave out, buildx does not ask for. */
export const workerRecord = (builds: BuildSide): MessageInitShape<typeof WorkerRecordSchema> => ({
  ID: "moby",
  Labels: {
    "org.mobyproject.buildkit.worker.executor": "containers",
    "org.mobyproject.buildkit.worker.moby.host-gateway-ip": builds.hostGatewayIp(),
  },
  platforms: builds.platforms.map(({ os, architecture, variant }) => ({
    OS: os,
    Architecture: architecture,
    Variant: variant,
  })),
  BuildkitVersion: buildkitVersion(builds),
});

function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
