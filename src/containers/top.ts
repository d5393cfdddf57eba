import { EngineError } from "../base/errors.ts";
import type { Caller } from "../spec/caller.ts";
import type { ContainerDeps } from "./deps.ts";
import { publish } from "./events.ts";
import { isLive } from "./books/state.ts";

const psTimeoutMs = 10_000;

/** The container's processes as the host's ps shows them, with the caller's ps arguments (moby parity). */
export async function topContainer(
  deps: ContainerDeps,
  ref: string,
  psArgs: string,
  caller: Caller,
): Promise<{ titles: string[]; processes: string[][] }> {
  const container = deps.records.get(ref);
  const { id, plan, state } = container;
  if (!isLive(state)) throw new EngineError("conflict", `container ${id} is not running`, { id });
  const args = (psArgs || "-ef").split(/\s+/).filter((word) => word !== "");
  for (const arg of args) {
    if (/^[^-].*=|^-?o.*=/.test(arg) && arg.includes("pid=") && !/pid=PID\b/i.test(arg)) {
      throw new EngineError("invalid", `specifying "${arg}" is not allowed`, { psArgs });
    }
  }
  const pids = new Set(await deps.runtimes.get(plan.runtime).driver.pids(id));
  const child = Bun.spawn(["ps", ...args], { stdout: "pipe", stderr: "pipe", timeout: psTimeoutMs });
  const [output, errors, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status !== 0)
    throw new EngineError("internal", `error running ps: ${errors.trim() || `exit status ${status}`}`, { psArgs });
  const table = parsePs(output, pids);
  publish(deps.events, container, "top", caller);
  return table;
}

/** Keeps the rows of these pids. The last column takes what is left of the line. */
export function parsePs(output: string, pids: ReadonlySet<number>): { titles: string[]; processes: string[][] } {
  const [head = "", ...rows] = output.split("\n");
  const titles = head.trim().split(/\s+/);
  const column = titles.indexOf("PID");
  if (column < 0) throw new EngineError("internal", "couldn't find PID field in ps output");
  const processes = rows
    .filter((row) => row.trim() !== "")
    .map((row) => {
      const words = row.trim().split(/\s+/);
      return [...words.slice(0, titles.length - 1), words.slice(titles.length - 1).join(" ")];
    })
    .filter((words) => pids.has(Number(words[column])));
  return { titles, processes };
}
