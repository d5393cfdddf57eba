import { readFile, realpath } from "node:fs/promises";
import { EngineError } from "../../base/errors.ts";
import type { ContainerPlan } from "../plan.ts";

export interface Propagation {
  /** How the container's root must propagate for its mounts to; undefined = privately. */
  readonly rootfs: "shared" | "rslave" | undefined;
  readonly privateTargets: ReadonlySet<string>;
}

/**
 * Decides propagation from the binds that ask for it. Their sources must lie on a shared (or slave) mount: throws
 * Docker's text if not. Where rslave was only our default for binds over the data root, private is taken instead.
 */
export async function gatherPropagation(plan: ContainerPlan, dataRoot: string): Promise<Propagation> {
  let rootfs: Propagation["rootfs"];
  const privateTargets = new Set<string>();
  for (const mount of plan.mounts) {
    if (mount.type !== "bind" || !/^r?(?:shared|slave)$/.test(mount.propagation)) continue;
    const source = await realpath(mount.source);
    const { point, optional } = await mountOf(source);
    const wantsShared = mount.propagation.endsWith("shared");
    const possible = wantsShared ? /\bshared:/.test(optional) : /\b(?:shared|master):/.test(optional);
    if (!possible) {
      const overDataRoot = source === "/" || dataRoot === source || dataRoot.startsWith(`${source}/`);
      if (wantsShared || !overDataRoot) {
        const needed = wantsShared ? "a shared mount" : "a shared or slave mount";
        throw new EngineError("invalid", `path ${mount.source} is mounted on ${point} but it is not ${needed}`, {
          source,
        });
      }
      privateTargets.add(mount.target);
      continue;
    }
    if (wantsShared) rootfs = "shared";
    else rootfs ??= "rslave";
  }
  return { rootfs, privateTargets };
}

/** The mount a path lies on: its mount point and the optional fields of mountinfo, proc(5). */
async function mountOf(path: string): Promise<{ point: string; optional: string }> {
  let best = { point: "/", optional: "" };
  for (const line of (await readFile("/proc/self/mountinfo", "utf8")).split("\n")) {
    const fields = line.split(" ");
    const point = (fields[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const holds = point === "/" || point === path || path.startsWith(`${point}/`);
    // of two mounts on one point the later row is on top
    if (point !== "" && holds && point.length >= best.point.length)
      best = { point, optional: fields.slice(6, fields.indexOf("-", 6)).join(" ") };
  }
  return best;
}
