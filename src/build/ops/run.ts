import { newId } from "../../base/id.ts";
import { EngineError } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import type { StagedLayer } from "../../snapshots/layers.ts";
import type { BuildRequest } from "../build.ts";
import type { RunOp, SourceOf, Vertex } from "../graph.ts";
import { snapshotPrefix, type SolverDeps } from "../solve/solver-deps.ts";
import { readyMounts } from "./mounts.ts";
import { missingTargets, removeStubs } from "./stubs.ts";
import { WorkFolder } from "./work-folder.ts";

export interface RunContext {
  readonly deps: SolverDeps;
  readonly request: BuildRequest;
  readonly signal: AbortSignal;
  layersOf(source: SourceOf): Promise<readonly string[]>;
  folderOf(name: string): Promise<string>;
  output(stream: "stdout" | "stderr", bytes: Uint8Array): void | Promise<void>;
}

/** Runs a step over the layers and gives what it changed, to be committed or disposed. */
export async function runStep(
  vertex: Vertex,
  op: RunOp,
  base: readonly string[],
  context: RunContext,
): Promise<StagedLayer> {
  const { deps, request, signal } = context;
  const network = op.network === "default" ? request.network || "default" : op.network;
  allow(op, network, request);
  const id = newId();
  const key = `${snapshotPrefix}${id}`;
  await using undo = new AsyncDisposableStack();
  const work = undo.use(await WorkFolder.make(deps.workRoot, id));
  const { mounts, env } = await readyMounts(op, { ...context, stepId: id, work, undo });
  undo.defer(() => deps.layers.remove(key));
  await deps.layers.prepare(key, base);
  fault("build.run.after-prepare");
  let stubs: string[] = [];
  const exit = await deps.runner.run(
    {
      id,
      args: op.args,
      env: [...op.env, ...op.hiddenEnv, ...env],
      cwd: op.cwd,
      user: op.user,
      hostname: request.hostname,
      mounts,
      network,
      insecure: op.security === "insecure",
      extraHosts: request.extraHosts,
      limits: request.limits,
    },
    {
      caller: request.caller,
      signal,
      async mountRoot(target) {
        await deps.layers.mount(key, target);
        stubs = missingTargets(
          target,
          mounts.map((mount) => mount.target),
        );
      },
      unmountRoot: (target) => deps.layers.unmount(target),
      output: context.output,
    },
  );
  if (exit.exitCode !== 0) throw failed(vertex, op, exit);
  const upper = deps.layers.paths(key)["UpperDir"];
  if (upper !== undefined && stubs.length > 0) removeStubs(upper, stubs);
  fault("build.run.before-adopt");
  return deps.layers.adopt(key, { notAfterSeconds: vertex.epochSeconds });
}

function allow(op: RunOp, network: string, { entitlements }: BuildRequest): void {
  if (network === "host" && !entitlements.has("network.host"))
    throw new EngineError(
      "forbidden",
      "granting entitlement network.host is not allowed: build with --allow network.host",
    );
  if (op.security === "insecure" && !entitlements.has("security.insecure"))
    throw new EngineError(
      "forbidden",
      "granting entitlement security.insecure is not allowed: build with --allow security.insecure",
    );
}

/** moby parity: BuildKit's text, which clients print; the classic endpoint has its own. */
function failed(vertex: Vertex, op: RunOp, exit: { exitCode: number; oomKilled: boolean }): EngineError {
  const command = op.args.join(" ");
  return new EngineError(
    "invalid",
    `process ${JSON.stringify(command)} did not complete successfully: exit code: ${exit.exitCode}${exit.oomKilled ? ": cannot allocate memory" : ""}`,
    { exitCode: exit.exitCode, command, line: vertex.place?.line ?? 0, vertex: vertex.name },
  );
}
