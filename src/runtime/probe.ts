import { readFile, statfs } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage } from "../base/errors.ts";
import { invokeForOutput } from "./invoke.ts";

/** What a runtime program is, and whether it can work on this host. */
export interface RuntimeProbe {
  readonly path: string;
  /** `crun`, `runc`, or `other`: any program with runc's command line. */
  readonly family: "crun" | "runc" | "other";
  /** As it says itself; empty when it does not run. */
  readonly version: string;
  readonly commit: string;
  readonly usable: boolean;
  /** Why not; empty when usable. */
  readonly reason: string;
}

const versionTimeoutMs = 10_000;

/** Asks the program for its version and looks at what is known to stop its family. Never throws. */
export async function probeRuntime(path: string, options: { cgroupRoot?: string } = {}): Promise<RuntimeProbe> {
  let text: string;
  try {
    text = await invokeForOutput(path, ["--version"], versionTimeoutMs);
  } catch (error) {
    return {
      path,
      family: "other",
      version: "",
      commit: "",
      usable: false,
      reason: `${path} does not run: ${errorMessage(error)}`,
    };
  }
  const [, name = "", version = ""] = /^(\S+) version (\S+)/m.exec(text) ?? [];
  const family = name === "crun" || name === "runc" ? name : "other";
  const commit = /^commit: (\S+)/m.exec(text)?.[1] ?? "";
  const reason = family === "crun" ? await crunObstacle(options.cgroupRoot ?? "/sys/fs/cgroup") : "";
  return { path, family, version, commit, usable: reason === "", reason };
}

/** crun 1.8: "cgroups in hybrid mode not supported, drop all controllers from cgroupv2". */
async function crunObstacle(root: string): Promise<string> {
  const cgroup2Magic = 0x63677270; // statfs(2)
  if ((await statfs(root)).type === cgroup2Magic) return "";
  let controllers: string;
  try {
    controllers = (await readFile(join(root, "unified", "cgroup.controllers"), "utf8")).trim();
  } catch {
    return ""; // pure v1
  }
  if (controllers === "") return "";
  const [first] = controllers.split(" ");
  return (
    `crun refuses a hybrid cgroup host whose v2 tree has controllers (${controllers}): ` +
    `mount each of them as v1 (mount -t cgroup -o ${first} cgroup ${root}/${first}), or use runc`
  );
}
