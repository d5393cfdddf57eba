import { EngineError, errorMessage } from "../../base/errors.ts";
import type { PluginAddress } from "./find.ts";

const maxAnswerBytes = 8 * 1024 * 1024; // a list of many thousand volumes
const mediaType = "application/vnd.docker.plugins.v1.1+json";

export interface PluginWait {
  readonly timeoutMs: number;
  /** How long a plugin that is being restarted is waited for; 0 = not at all. */
  readonly patienceMs: number;
}

/**
 * One call of the plugin protocol: a POST with JSON both ways. Throws `deadline` when the plugin does not answer in
 * time, `unavailable` when it cannot be reached, `internal` with its own text when it answers that it failed.
 */
export async function callPlugin(
  plugin: PluginAddress,
  method: string,
  body: Readonly<Record<string, unknown>>,
  { timeoutMs, patienceMs }: PluginWait,
): Promise<Record<string, unknown>> {
  const signal = AbortSignal.timeout(timeoutMs);
  const answer = await send({ plugin, method, body: JSON.stringify(body), signal, patienceMs });
  const text = await readBounded(answer, plugin, method, signal);
  const value = parse(text);
  if (answer.status === 404 && method === "VolumeDriver.Capabilities") return {}; // older than that call
  const failure = typeof value?.["Err"] === "string" ? value["Err"] : "";
  if (failure !== "")
    throw new EngineError("internal", `${method}: ${failure.slice(0, 2000)}`, { plugin: plugin.name });
  if (!answer.ok)
    throw new EngineError(
      "internal",
      `${method}: the plugin ${plugin.name} answered ${answer.status}: ${text.slice(0, 200).trim()}`,
    );
  if (value === undefined)
    throw new EngineError(
      "internal",
      `${method}: the plugin ${plugin.name} answered what is no JSON object: ${JSON.stringify(text.slice(0, 100))}`,
    );
  return value;
}

interface Sent {
  readonly plugin: PluginAddress;
  readonly method: string;
  readonly body: string;
  readonly signal: AbortSignal;
  readonly patienceMs: number;
}

async function send({ plugin, method, body, signal, patienceMs }: Sent): Promise<Response> {
  const deadline = Date.now() + patienceMs;
  for (let waitMs = 25; ; waitMs *= 2) {
    try {
      return await fetch(`${plugin.url ?? "http://plugin"}/${method}`, {
        method: "POST",
        headers: { "Content-Type": mediaType, Accept: mediaType },
        body,
        signal,
        redirect: "error",
        keepalive: false,
        ...(plugin.socket !== undefined && { unix: plugin.socket }),
        ...(plugin.tls && { tls: plugin.tls }),
      });
    } catch (cause) {
      if (signal.aborted) throw late(plugin, method);
      const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
      const unreached = /ConnectionRefused|FailedToOpenSocket|ENOENT|ECONNREFUSED/.test(code);
      if (unreached && Date.now() + waitMs < deadline) {
        await Bun.sleep(waitMs);
        if (!signal.aborted) continue;
      }
      // a call that began may have been done: only one that never reached the plugin is made again
      throw new EngineError(
        "unavailable",
        `${method}: the plugin ${plugin.name} cannot be reached at ${plugin.socket ?? plugin.url}: ${errorMessage(cause)}`,
        { plugin: plugin.name },
        { cause },
      );
    }
  }
}

async function readBounded(
  answer: Response,
  plugin: PluginAddress,
  method: string,
  signal: AbortSignal,
): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of answer.body ?? []) {
      bytes += part.length;
      if (bytes > maxAnswerBytes)
        throw new EngineError(
          "internal",
          `${method}: the plugin ${plugin.name} answers more than ${maxAnswerBytes} bytes`,
        );
      parts.push(part);
    }
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    if (signal.aborted) throw late(plugin, method);
    throw new EngineError(
      "unavailable",
      `${method}: the answer of the plugin ${plugin.name} broke off: ${errorMessage(cause)}`,
      { plugin: plugin.name },
      { cause },
    );
  }
  return Buffer.concat(parts).toString("utf8");
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined; // told by the caller, with the text
  }
}

const late = (plugin: PluginAddress, method: string): EngineError =>
  new EngineError("deadline", `${method}: the plugin ${plugin.name} did not answer in time`, { plugin: plugin.name });
