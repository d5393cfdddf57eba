import { existsSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";
import { isObject } from "./conflist.ts";

/** What a plugin is told by its environment. spec 1.1, "Parameters" */
export interface PluginCall {
  readonly command: "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";
  readonly type: string;
  readonly folders: readonly string[];
  readonly config: object;
  readonly containerId?: string;
  readonly netnsPath?: string;
  readonly interfaceName?: string;
  readonly args?: string;
  readonly timeoutMs: number;
}

/** A result is some kilobytes; a plugin that writes without end is cut. */
const outputAtMost = 1 << 20;

/** Where a plugin's program is. not-found, with the folders that were searched. */
export function findPlugin(type: string, folders: readonly string[]): string {
  const folder = folders.find((candidate) => existsSync(`${candidate}/${type}`));
  if (folder !== undefined) return `${folder}/${type}`;
  throw new EngineError("not-found", `CNI plugin "${type}" is in none of ${folders.join(", ")}`, { plugin: type });
}

/**
 * Runs a plugin to its end and gives what it printed, parsed; undefined where it printed nothing. Throws with the
 * plugin's own words. One that does not end in time is killed with everything it started.
 */
export async function callPlugin(call: PluginCall): Promise<unknown> {
  const path = findPlugin(call.type, call.folders);
  const what = `CNI plugin "${call.type}" (${call.command})`;
  const child = Bun.spawn([path], {
    stdin: Buffer.from(JSON.stringify(call.config)),
    stdout: "pipe",
    stderr: "pipe",
    detached: true, // a group of its own, to be killed whole
    cwd: "/",
    env: {
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
      CNI_COMMAND: call.command,
      CNI_PATH: call.folders.join(":"),
      CNI_CONTAINERID: call.containerId ?? "",
      CNI_NETNS: call.netnsPath ?? "",
      CNI_IFNAME: call.interfaceName ?? "",
      CNI_ARGS: call.args ?? "",
    },
  });
  let late = false;
  let loud = false;
  const tooMuch = (): void => {
    loud = true;
    killGroup(child.pid);
  };
  const timer = setTimeout(() => {
    late = true;
    killGroup(child.pid);
  }, call.timeoutMs);
  try {
    const [output, complaint, status] = await Promise.all([
      readAtMost(child.stdout, tooMuch),
      readAtMost(child.stderr, tooMuch),
      child.exited,
    ]);
    if (late) throw new EngineError("deadline", `${what} did not end in ${call.timeoutMs / 1000}s and was killed`);
    if (loud) throw new EngineError("internal", `${what} printed more than ${outputAtMost} bytes and was killed`);
    const answer = parse(output);
    if (status === 0 && (answer !== undefined || output.trim() === "")) return answer;
    throw new EngineError("internal", `${what} failed: ${wordsOf(answer, output, complaint, status)}`, {
      plugin: call.type,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** spec 1.1, "Error": code, msg, details. */
function wordsOf(answer: unknown, output: string, complaint: string, status: number): string {
  if (isObject(answer) && (answer["msg"] !== undefined || answer["code"] !== undefined)) {
    const { code, msg, details } = answer;
    return [String(msg ?? ""), String(details ?? ""), `(code ${String(code ?? "none")})`]
      .filter((text) => text !== "")
      .join(" ");
  }
  const said = (complaint.trim() || output.trim()).slice(0, 500).replaceAll(/[^\P{Cc}\n]/gu, "?");
  return status === 0 ? `it printed what is no JSON: ${said}` : `status ${status}${said === "" ? "" : `: ${said}`}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // the caller tells what it was
  }
}

async function readAtMost(stream: ReadableStream<Uint8Array>, tooMuch: () => void): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length <= outputAtMost) chunks.push(chunk);
    else tooMuch();
  }
  return Buffer.concat(chunks).toString("utf8");
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // ended just now
  }
}
