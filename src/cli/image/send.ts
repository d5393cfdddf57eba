import { Readable } from "node:stream";
import { connect } from "../../client/connect.ts";
import { ApiError, type EngineClient } from "../../client/engine-client.ts";
import { command } from "../command.ts";
import { ContextStore } from "../context/store.ts";
import { ExitError } from "../exit-error.ts";
import { type Endpoint, resolveEndpoint } from "../host.ts";
import { ProgressError, readMessages } from "../render/progress.ts";
import { humanSize } from "../render/units.ts";
import { splitCommas } from "../values/csv.ts";
import { platformJson } from "./platform.ts";

export const imageSend = command({
  path: "image send",
  args: "HOST IMAGE [IMAGE...]",
  arity: { min: 2, max: Infinity },
  summary: "Copy images to another engine, without the layers that it has",
  complete: "image",
  flags: {
    platform: {
      type: "list",
      valueName: "strings",
      help: 'Send only the given platform variants. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
    quiet: { type: "bool", short: "q", help: "Show only the names of what arrived" },
  },
  async run({ flags, args: [host = "", ...names], engine, stdout, stderr, env, configDir, signal }) {
    const target = connect(otherEngine(host, env, configDir), { version: env["DOCKER_API_VERSION"] });
    const platforms = splitCommas(flags.platform).map(platformJson);
    try {
      const have = await layersOf(target, signal);
      const sending = { source: engine, target, names, platforms, signal };
      const meter = flags.quiet ? undefined : new Meter(stderr);
      const loaded = await send({ ...sending, have, meter }).catch((error: unknown) => {
        // somebody removed there what we had left out
        if (!/is named but not in it|no such file|failed to load/i.test(String(error)) || have.length === 0)
          throw error;
        return send({ ...sending, have: [], meter });
      });
      meter?.end();
      for (const line of loaded) stdout.write(line);
    } finally {
      target.close();
    }
  },
});

/** `ssh://`, `tcp://` and `unix://` addresses, names of contexts, or else a host to reach by ssh. */
function otherEngine(host: string, env: Readonly<Record<string, string | undefined>>, configDir: string): Endpoint {
  const none = { tls: false, tlsverify: false, tlscacert: undefined, tlscert: undefined, tlskey: undefined };
  if (host.includes("://")) return resolveEndpoint({ ...none, host: [host], context: undefined }, env, configDir);
  if (host === "default" || new ContextStore(configDir).has(host))
    return resolveEndpoint({ ...none, host: [], context: host }, {}, configDir);
  return { host: `ssh://${host.replace(/:$/, "")}` };
}

/** The diff ids of the images that an engine has. An engine that cannot use its own layers for a load gives none. */
async function layersOf(engine: EngineClient, signal: AbortSignal): Promise<string[][]> {
  const { DriverStatus: status } = await engine.call("SystemInfo", {}, undefined, { signal });
  // dockerd with containerd's image store needs every blob
  if ((status ?? []).some((pair) => pair.includes("io.containerd.snapshotter.v1"))) return [];
  const images = await engine.call("ImageList", { all: true }, undefined, { signal });
  const layers: string[][] = [];
  for (const { Id } of images) {
    const image = await engine.call("ImageInspect", { name: Id }, undefined, { signal }).catch((error: unknown) => {
      if (error instanceof ApiError && error.status === 404) return undefined; // removed meanwhile
      throw error;
    });
    layers.push(image?.RootFS?.Layers ?? []);
  }
  return layers;
}

interface Sending {
  readonly source: EngineClient;
  readonly target: EngineClient;
  readonly names: readonly string[];
  readonly platforms: readonly string[];
  readonly have: readonly (readonly string[])[];
  readonly meter: Meter | undefined;
  readonly signal: AbortSignal;
}

/** Lines that say what was loaded. */
async function send({ source, target, names, platforms, have, meter, signal }: Sending): Promise<string[]> {
  const archive = await openArchive(source, { names, platforms, have, signal });
  const upload = meter === undefined ? archive : Readable.from(meter.count(archive), { objectMode: false });
  const { body, headers } = await target
    .stream("ImageLoad", { quiet: true }, { upload, signal })
    .catch((error: unknown) => {
      throw error instanceof ApiError ? new ExitError(1, `the other engine: ${error.message}`) : error;
    });
  const loaded: string[] = [];
  if (headers["content-type"]?.startsWith("application/json") !== true) {
    for await (const chunk of body) loaded.push(String(chunk));
    return loaded;
  }
  for await (const { stream, error, errorDetail } of readMessages(body)) {
    if (error !== undefined || errorDetail !== undefined)
      throw new ProgressError(errorDetail?.message ?? error ?? "", errorDetail?.code);
    if (stream !== undefined) loaded.push(stream);
  }
  return loaded;
}

async function openArchive(
  source: EngineClient,
  { names, platforms, have, signal }: Pick<Sending, "names" | "platforms" | "have" | "signal">,
): Promise<Readable> {
  try {
    const body = { Names: [...names], Platforms: [...platforms], Have: have.map((layers) => [...layers]) };
    return (await source.stream("ImageSavePart", {}, { body, signal })).body;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404 || !/page not found/.test(error.message)) throw error;
    // a stock dockerd knows whole archives only
    const query = { names: [...names], ...(platforms.length > 0 && { platform: [...platforms] }) };
    return (await source.stream("ImageGetAll", query, { signal })).body;
  }
}

const showMs = 200;

/** Counts what is sent; shows it on a terminal as it goes, and at the end. */
class Meter {
  readonly #output: NodeJS.WriteStream;
  readonly #startMs = performance.now();
  #bytes = 0;
  #shownMs = 0;

  constructor(output: NodeJS.WriteStream) {
    this.#output = output;
  }

  async *count(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of chunks) {
      this.#bytes += chunk.length;
      const nowMs = performance.now();
      if (this.#output.isTTY === true && nowMs - this.#shownMs >= showMs) {
        this.#shownMs = nowMs;
        this.#output.write(`\u001b[2K\rSending ${humanSize(this.#bytes)}  ${this.#speed(nowMs)}`);
      }
      yield chunk;
    }
  }

  end(): void {
    const line = this.#output.isTTY === true ? "\u001b[2K\r" : "";
    this.#output.write(`${line}Sent ${humanSize(this.#bytes)}  ${this.#speed(performance.now())}\n`);
  }

  #speed(nowMs: number): string {
    const seconds = (nowMs - this.#startMs) / 1000;
    return seconds <= 0 ? "" : `${humanSize(this.#bytes / seconds, 3)}/s`;
  }
}
