import { readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { EngineClient } from "../../client/engine-client.ts";
import type { BuildRunRequest } from "../../spec/engine/types.gen.ts";
import { ignorePatterns } from "../../spec/ignore-patterns.ts";
import { command, type FlagValues } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { parseBytes } from "../values/bytes.ts";
import { openFailure } from "../values/env-file.ts";
import { parseLabels } from "../values/label.ts";
import { parseUlimit } from "../values/ulimit.ts";
import { buildFlags } from "./build-flags.ts";
import { type BuildProgress, silentProgress } from "./build-progress.ts";
import { readBuildArgs, readCaches, readSecrets, readSsh } from "./build-values.ts";
import { explainFailure, warningLines } from "./failure-text.ts";
import { readIgnore, sendContext } from "./local-context.ts";
import { cacheOutputs, type Output, type OutputSink, readOutputs } from "./outputs.ts";
import { plainProgress } from "./progress-plain.ts";
import { treeProgress } from "./progress-tree.ts";
import { registryConfigHeader } from "./registry-config.ts";
import { type SolveLine, solveLines, type SolveVertex } from "./solve-stream.ts";
import { readStdinContext } from "./stdin-context.ts";

type Flags = FlagValues<typeof buildFlags>;

export const build = command({
  path: "image build",
  aliases: ["build", "builder build", "buildx build"],
  args: "PATH | URL | -",
  arity: { min: 1, max: 1 },
  summary: "Build an image from a Dockerfile",
  complete: "file",
  flags: buildFlags,
  async run({ flags, args: [where = "."], engine, stdin, stdout, stderr, env, signal, configDir }) {
    const progress = chooseProgress(flags, stderr);
    const outputs = readOutputs(flags, stdout);
    const sinks = [...outputs, ...cacheOutputs(readCaches(flags["cache-to"]))];
    const bytes = { sent: 0 };
    try {
      const request = await makeRequest({ flags, where, engine, stdin, env, signal, outputs }, (count) => {
        bytes.sent += count;
        progress.note(`sending the context: ${(bytes.sent / 1e6).toFixed(1)}MB`);
      });
      const { body } = await engine.stream(
        "BuildRun",
        {},
        { body: request, signal, headers: await registryConfigHeader(configDir) },
      );
      const raw = flags.progress === "rawjson" ? (text: string) => void stderr.write(`${text}\n`) : undefined;
      const { result, error, warnings, logs } = await follow(body, progress, sinks, raw);
      progress.end();
      if (error) throw new ExitError(1, explainFailure(error, { dockerfile: request.Dockerfile, logs }));
      if (!flags.quiet && raw === undefined) stderr.write(warningLines(warnings));
      writeResult(flags, result ?? {}, request.Tags ?? [], stdout);
      return flags.check && warnings.length > 0 ? 1 : undefined;
    } finally {
      progress.end();
    }
  },
});

function chooseProgress(flags: Flags, stderr: NodeJS.WriteStream): BuildProgress {
  const known = ["auto", "plain", "tty", "quiet", "rawjson"];
  if (!known.includes(flags.progress))
    throw new ExitError(1, `invalid progress mode ${flags.progress}: known are ${known.join(", ")}`);
  if (flags.quiet || flags.progress === "quiet" || flags.progress === "rawjson") return silentProgress;
  if (flags.progress === "tty" && !stderr.isTTY)
    throw new ExitError(1, "failed to get console: provided file is not a console");
  const progress =
    flags.progress === "tty" || (flags.progress === "auto" && stderr.isTTY)
      ? treeProgress(stderr)
      : plainProgress(stderr);
  let ended = false;
  return {
    ...progress,
    end() {
      if (!ended) progress.end();
      ended = true;
    },
  };
}

interface RequestInput {
  readonly flags: Flags;
  readonly where: string;
  readonly engine: EngineClient;
  readonly stdin: NodeJS.ReadStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly outputs: readonly Output[];
}

async function makeRequest(input: RequestInput, sent: (bytes: number) => void): Promise<BuildRunRequest> {
  const { flags, engine, env, signal, outputs } = input;
  // what the flags say is read first: a mistake there must not leave a context waiting
  const settings = readSettings(flags, env, engine.host, outputs);
  const contexts: Record<string, string> = {};
  for (const row of flags["build-context"]) {
    const equals = row.indexOf("=");
    if (equals < 1) throw new ExitError(1, `invalid context value: ${row}, expected key=value`);
    const address = row.slice(equals + 1);
    contexts[row.slice(0, equals)] = isRemote(address)
      ? address
      : await sendContext(engine, folderOf(address), readIgnore(address, join(address, "Dockerfile")), {
          signal,
          sent,
        });
  }
  const cacheFrom = [];
  for (const row of readCaches(flags["cache-from"])) {
    const folder = row["type"] === "local" ? row["src"] : undefined;
    cacheFrom.push(
      folder === undefined
        ? row
        : { ...row, src: await sendContext(engine, folderOf(folder), ignorePatterns([]), { signal, sent }) },
    );
  }
  return { ...settings, CacheFrom: cacheFrom, Contexts: contexts, ...(await locate(input, sent)) };
}

function readSettings(
  flags: Flags,
  env: Readonly<Record<string, string | undefined>>,
  host: string,
  outputs: readonly Output[],
): Omit<BuildRunRequest, "Dockerfile"> {
  const [platform = "", ...more] = flags.platform.flatMap((value) => value.split(","));
  if (more.length > 0)
    throw new ExitError(1, "several platforms in one build are not supported: build them one by one");
  return {
    Target: flags.target ?? "",
    BuildArgs: readBuildArgs(flags["build-arg"], env),
    Labels: parseLabels(flags.label),
    Platform: platform,
    NoCache: flags["no-cache"],
    NoCacheFilter: flags["no-cache-filter"].flatMap((value) => value.split(",")),
    Pull: flags.pull,
    Network: flags.network,
    ExtraHosts: flags["add-host"].map((row) => row.replace("=", ":")),
    Secrets: readSecrets(flags.secret, env),
    Ssh: readSsh(flags.ssh, env, host),
    CacheTo: readCaches(flags["cache-to"]),
    Exports: outputs.map(({ request }) => request),
    Tags: flags.tag,
    // as with buildx, who asks for the host's network for all steps allows it
    Allow: flags.network === "host" ? [...flags.allow, "network.host"] : flags.allow,
    ShmSize: flags["shm-size"] ?? 0,
    Memory: flags.memory ?? 0,
    MemorySwap:
      flags["memory-swap"] === undefined ? 0 : flags["memory-swap"] === "-1" ? -1 : parseBytes(flags["memory-swap"]),
    CpuShares: flags["cpu-shares"] ?? 0,
    CpuPeriod: flags["cpu-period"] ?? (flags.cpus === undefined ? 0 : 100_000),
    CpuQuota: flags["cpu-quota"] ?? (flags.cpus === undefined ? 0 : Math.round(Number(flags.cpus) * 100_000)),
    CpusetCpus: flags["cpuset-cpus"] ?? "",
    CpusetMems: flags["cpuset-mems"] ?? "",
    CgroupParent: flags["cgroup-parent"] ?? "",
    Ulimits: flags.ulimit.map(parseUlimit),
    Explain: flags.explain,
    Check: flags.check,
  };
}

const isRemote = (where: string): boolean =>
  /^(https?|git|ssh|file|docker-image|oci-layout):\/\//i.test(where) ||
  /^git@[^:]+:/.test(where) ||
  where.startsWith("github.com/");

type Files = Pick<BuildRunRequest, "Dockerfile" | "FileName" | "Remote" | "Ignore">;

/** Where Dockerfile and context are: a folder, a URL, or standard input. */
async function locate(
  { flags, where, engine, stdin, signal }: RequestInput,
  sent: (bytes: number) => void,
): Promise<Files> {
  if (where === "-") {
    if (flags.file === "-")
      throw new ExitError(1, "invalid argument: can't use stdin for both build context and dockerfile");
    return readStdinContext(engine, stdin, { signal, fileName: flags.file ?? "Dockerfile" });
  }
  const typed = flags.file === "-" ? await readAll(stdin) : undefined;
  if (isRemote(where)) {
    const local = typed === undefined && flags.file !== undefined && isLocalFile(flags.file) ? flags.file : undefined;
    return {
      Dockerfile: typed ?? (local === undefined ? "" : readText(local)),
      FileName: typed === undefined ? (flags.file ?? "Dockerfile") : "Dockerfile",
      Remote: where,
    };
  }
  const folder = folderOf(where);
  const path = flags.file === undefined ? join(folder, "Dockerfile") : flags.file;
  const text = typed ?? readText(path, flags.file === undefined ? join(folder, "dockerfile") : undefined);
  const ignore = readIgnore(folder, typed === undefined ? path : join(folder, "Dockerfile"));
  return {
    Dockerfile: text,
    FileName: typed === undefined ? shownName(folder, path) : "Dockerfile",
    Remote: flags.check ? "" : await sendContext(engine, folder, ignore, { signal, sent }),
    Ignore: [...ignore.patterns],
  };
}

function folderOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new ExitError(1, `unable to prepare context: path ${JSON.stringify(path)} not found`);
  if (!stat.isDirectory()) throw new ExitError(1, `unable to prepare context: context must be a directory: ${path}`);
  return path;
}

function readText(path: string, otherwise?: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (otherwise !== undefined) {
      try {
        return readFileSync(otherwise, "utf8");
      } catch {
        // told with the usual name
      }
    }
    throw new ExitError(1, `failed to read dockerfile: open ${path}: ${openFailure(error)}`);
  }
}

const isLocalFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

/** As messages name it: below the context by its path, else by its name. */
function shownName(folder: string, path: string): string {
  const [root, full] = [`${resolve(folder)}/`, resolve(path)];
  return full.startsWith(root) ? full.slice(root.length) : basename(path);
}

async function readAll(stdin: NodeJS.ReadStream): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    const part = Buffer.from(chunk as Uint8Array);
    bytes += part.length;
    if (bytes > 2 * 1024 * 1024) throw new ExitError(1, "the Dockerfile on standard input is longer than 2 MiB");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

interface Followed {
  readonly result: SolveLine["result"];
  readonly error: SolveLine["error"];
  readonly warnings: NonNullable<SolveLine["warnings"]>;
  /** Output of each vertex's end, by its name: shown when it failed. */
  readonly logs: ReadonlyMap<string, string>;
}

/** How much of a step's output is told again when it failed. */
const failureLogBytes = 16 * 1024;

async function follow(
  body: AsyncIterable<unknown> & Parameters<typeof solveLines>[0],
  progress: BuildProgress,
  outputs: readonly Output[],
  raw: ((text: string) => void) | undefined,
): Promise<Followed> {
  const known = new Map<string, SolveVertex>();
  const logs = new Map<string, string>();
  const sinks = new Map<number, OutputSink>();
  const warnings: NonNullable<SolveLine["warnings"]>[number][] = [];
  let [result, error]: [SolveLine["result"], SolveLine["error"]] = [undefined, undefined];
  for await (const { text, line } of solveLines(body)) {
    if (line.output) {
      const { index, data } = line.output;
      const sink = sinks.get(index) ?? outputs[index]?.open?.();
      if (!sink) continue;
      sinks.set(index, sink);
      await sink.write(Buffer.from(data, "base64"));
      continue;
    }
    if (line.vertexes || line.logs || line.warnings) raw?.(text);
    for (const vertex of line.vertexes ?? []) known.set(vertex.digest, vertex);
    for (const log of line.logs ?? []) {
      const name = known.get(log.vertex)?.name ?? "";
      logs.set(
        name,
        ((logs.get(name) ?? "") + Buffer.from(log.data, "base64").toString("utf8")).slice(-failureLogBytes),
      );
    }
    warnings.push(...(line.warnings ?? []));
    if (line.notice) process.stderr.write(`WARNING: ${line.notice}\n`);
    progress.take(line, known);
    result = line.result ?? result;
    error = line.error ?? error;
  }
  for (const sink of sinks.values()) await sink.end();
  if (!result && !error) throw new ExitError(1, "the daemon ended the build without a result");
  return { result, error, warnings, logs };
}

function writeResult(
  flags: Flags,
  { imageId = "", manifestDigest = "" }: NonNullable<SolveLine["result"]>,
  tags: readonly string[],
  stdout: NodeJS.WriteStream,
): void {
  if (flags.iidfile !== undefined && imageId !== "") writeFileSync(flags.iidfile, imageId);
  if (flags["metadata-file"] !== undefined) {
    const metadata = {
      ...(imageId !== "" && { "containerimage.config.digest": imageId }),
      ...(manifestDigest !== "" && { "containerimage.digest": manifestDigest }),
      ...(tags.length > 0 && { "image.name": tags.join(",") }),
    };
    writeFileSync(flags["metadata-file"], `${JSON.stringify(metadata, null, 2)}\n`);
  }
  if (flags.quiet && imageId !== "") stdout.write(`${imageId}\n`);
}
