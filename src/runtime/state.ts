import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What a runtime's own state file says of a container. */
export interface RuntimeState {
  readonly pid: number;
  /** Clock ticks after boot, as in /proc/PID/stat. */
  readonly startTicks: string;
  /** Folders of its cgroup, as far as they can be told. */
  readonly cgroups: readonly string[];
  /** Below each hierarchy; empty when it is not one path. */
  readonly cgroupPath: string;
  readonly systemd: boolean;
}

/** crun: `<root>/<id>/status`. Undefined when there is no such container. */
export function crunState(root: string, id: string): RuntimeState | undefined {
  const status = readJson(join(root, id, "status"));
  if (!status) return undefined;
  const path = String(status["cgroup-path"] ?? "");
  const bases = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup/memory", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
  return {
    pid: Number(status["pid"]),
    startTicks: String(status["process-start-time"]),
    cgroupPath: path,
    systemd: status["systemd-cgroup"] === true,
    cgroups: path ? bases.map((base) => join(base, path)) : [],
  };
}

/** runc: `<root>/<id>/state.json`. */
export function runcState(root: string, id: string): RuntimeState | undefined {
  const state = readJson(join(root, id, "state.json"));
  if (!state) return undefined;
  const paths = (state["cgroup_paths"] ?? {}) as Record<string, string>;
  const preferred = [paths["pids"], paths["memory"], paths[""], ...Object.values(paths)];
  return {
    pid: Number(state["init_process_pid"]),
    startTicks: String(state["init_process_start"]),
    cgroupPath: "",
    systemd: false,
    cgroups: preferred.filter((path): path is string => typeof path === "string" && path !== ""),
  };
}

/** Start time of a live process: /proc/PID/stat, field 22. */
export function startTicksOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined; // gone
  }
}

function readJson(path: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  } catch {
    return undefined; // no such container, or its create is under way
  }
}
