import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { LLBBridge, Result, SolveRequest } from "../spec/buildkit/gateway.gen.ts";
import type { BuildSide, Solution } from "./build-side.ts";
import { workerRecord } from "./control.ts";
import { answer } from "./grpc-error.ts";
import type { Job, Jobs } from "./jobs.ts";

/** Which build a call belongs to. */
const buildIdHeader = "buildkit-controlapi-buildid";

/**
 * Left out on purpose: `exporter.image.attestations` (buildx would add provenance), `gateway.exec` (containers that the
 * client runs in a failed step).
 */
const frontendCaps = [
  "frontend.caps",
  "frontend.inputs",
  "gateway.solve.metadata",
  "gateway.warnings",
  "importcaches",
  "proto.refarray",
  "readdir",
  "readfile",
  "reference.output",
  "resolveimage",
  "return",
  "returnmap",
  "solve.base",
  "solve.inlinereturn",
  "statfile",
];

/** moby.buildkit.v1.frontend.LLBBridge: single solves for a frontend that runs in the client. */
export function bridgeService(deps: {
  jobs: Jobs<Solution>;
  builds: BuildSide;
}): Partial<ServiceImpl<typeof LLBBridge>> {
  const { jobs, builds } = deps;
  const jobOf = (context: HandlerContext): Promise<Job<Solution>> => {
    const id = context.requestHeader.get(buildIdHeader) ?? "";
    if (id === "") throw new ConnectError("a call of the bridge without the build it belongs to", Code.InvalidArgument);
    return jobs.get(id, context.signal);
  };
  return {
    ping: () => ({
      FrontendAPICaps: frontendCaps.map((ID) => ({ ID, Enabled: true })),
      LLBCaps: [],
      Workers: [workerRecord(builds)],
    }),

    solve: (request, context) =>
      answer(async () => {
        const job = await jobOf(context);
        checkFrontend(request);
        const signal = AbortSignal.any([context.signal, job.signal]);
        const solution = await builds.solve(
          job,
          {
            attributes: request.FrontendOpt,
            cacheImports: request.CacheImports.map(({ Type, Attrs }) => ({ type: Type, attributes: Attrs })),
          },
          signal,
        );
        return { result: resultOf(job, solution) };
      }),

    evaluate: ({ Ref: id }, context) =>
      answer(async () => {
        solutionOf(await jobOf(context), id); // solved already
        return {};
      }),

    return: ({ result, error }, context) =>
      answer(async () => {
        const job = await jobOf(context);
        if (error && error.code !== 0) job.fail(new ConnectError(error.message, error.code));
        else job.giveBack(result ? returned(job, result) : undefined);
        return {};
      }),

    inputs: () => ({ Definitions: {} }),
    warn: async (request, context) =>
      answer(async () => {
        const { digest: vertex, level, short, detail, url, info, ranges } = request;
        (await jobOf(context)).progress.add({
          warnings: [{ vertex, level, short, detail, url, ranges, ...(info ? { info } : {}) }],
        });
        return {};
      }),
  };
}

function checkFrontend(request: SolveRequest): void {
  if (request.Definition && request.Definition.def.length > 0)
    throw new ConnectError("low-level definitions are not supported", Code.Unimplemented);
  if (request.Frontend !== "dockerfile.v0" && request.Frontend !== "gateway.v0")
    throw new ConnectError(`unsupported frontend ${JSON.stringify(request.Frontend)}`, Code.Unimplemented);
}

const resultOf = (job: Job<Solution>, solution: Solution) => {
  const { platforms, metadata } = solution;
  const id = job.addRef(solution);
  return platforms.length > 1
    ? {
        result: {
          case: "refs" as const,
          value: { refs: Object.fromEntries(platforms.map((platform) => [platform, { id }])) },
        },
        metadata: { ...metadata },
      }
    : { result: { case: "ref" as const, value: { id } }, metadata: { ...metadata } };
};

function solutionOf(job: Job<Solution>, id: string): Solution {
  const solution = job.refs.get(id);
  if (!solution) throw new ConnectError(`no such ref: ${id}`, Code.NotFound);
  return solution;
}

/** The solution that a returned result names; none for an empty reference. */
function returned(job: Job<Solution>, { result }: Result): Solution | undefined {
  const ids =
    result.case === "ref"
      ? [result.value.id]
      : result.case === "refs"
        ? Object.values(result.value.refs).map((ref) => ref.id)
        : result.case === "refDeprecated"
          ? [result.value]
          : [];
  const id = ids.find((given) => given !== "");
  return id === undefined ? undefined : solutionOf(job, id);
}
