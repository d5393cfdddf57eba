import { readFile, realpath, stat } from "node:fs/promises";
import { EngineError } from "../../base/errors.ts";
import type { ContainerPlan, MountPlan } from "../plan.ts";

/** What the mounts that sources lie on decide for the container. */
export interface SourceMounts {
  /** How the container's root must propagate for its mounts to; undefined = privately. */
  readonly rootfs: "shared" | "rslave" | undefined;
  /** Targets whose slave propagation is not possible here. */
  readonly privateTargets: ReadonlySet<string>;
  /**
   * Flags of the source's own mount, by target. They must be said again: crun 1.8 remounts each bind with just the
   * options given, so that a read-only mount of the host would be writable inside (runc keeps them by itself).
   */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  /** Targets whose source is no folder: crun 1.8 knows `rro` for folders alone. */
  readonly files: ReadonlySet<string>;
}

const none: SourceMounts = { rootfs: undefined, privateTargets: new Set(), flags: new Map(), files: new Set() };
const keptFlags = new Set(["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"]);

/**
 * Looks at the mounts under all sources (host paths by target). Throws Docker's text for a bind that shall propagate
 * but lies on a private mount; where rslave was only our default for binds over the data root, private is taken.
 */
export async function gatherSourceMounts(
  plan: ContainerPlan,
  sources: ReadonlyMap<string, string>,
  dataRoot: string,
): Promise<SourceMounts> {
  if (sources.size === 0) return none;
  const table = parseMountinfo(await readFile("/proc/self/mountinfo", "utf8"));
  const planned = new Map(plan.mounts.map((mount) => [mount.target, mount]));
  let rootfs: SourceMounts["rootfs"];
  const privateTargets = new Set<string>();
  const flags = new Map<string, readonly string[]>();
  const files = new Set<string>();
  for (const [target, given] of sources) {
    const source = await realpath(given).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return given; // gone since it was looked at: the runtime says so
      throw error;
    });
    if (!(await isFolder(source))) files.add(target);
    const under = mountOf(source, table);
    flags.set(target, under.flags);
    const mount = planned.get(target);
    const wanted = mount ? propagationOf(mount) : undefined;
    if (!wanted) continue;
    if (!propagates(wanted, under)) {
      refuseUnlessDefault(wanted, { source, given, dataRoot, point: under.point });
      privateTargets.add(target);
    } else if (wanted === "shared") rootfs = "shared";
    else rootfs ??= "rslave";
  }
  return { rootfs, privateTargets, flags, files };
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => true, // gone meanwhile: the runtime says so
  );

function propagationOf(mount: MountPlan): "shared" | "slave" | undefined {
  if (mount.type !== "bind") return undefined;
  return (["shared", "slave"] as const).find((word) => mount.propagation.endsWith(word));
}

const propagates = (wanted: "shared" | "slave", { optional }: MountRow): boolean =>
  wanted === "shared" ? /\bshared:/.test(optional) : /\b(?:shared|master):/.test(optional);

function refuseUnlessDefault(
  wanted: "shared" | "slave",
  { source, given, dataRoot, point }: { source: string; given: string; dataRoot: string; point: string },
): void {
  const overDataRoot = source === "/" || dataRoot === source || dataRoot.startsWith(`${source}/`);
  if (wanted === "slave" && overDataRoot) return;
  const needed = wanted === "shared" ? "a shared mount" : "a shared or slave mount";
  throw new EngineError("invalid", `path ${given} is mounted on ${point} but it is not ${needed}`, { source });
}

interface MountRow {
  readonly point: string;
  readonly flags: readonly string[];
  /** Optional fields, `shared:1 master:2`. */
  readonly optional: string;
}

/** proc(5), /proc/PID/mountinfo: fields 5 (mount point), 6 (its own options) and the optional ones up to `-`. */
function parseMountinfo(text: string): MountRow[] {
  return text.split("\n").flatMap((line) => {
    const fields = line.split(" ");
    const [point = "", options = ""] = [fields[4], fields[5]];
    if (point === "") return [];
    const plain = point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const flags = options.split(",").filter((option) => keptFlags.has(option));
    return [{ point: plain, flags, optional: fields.slice(6, fields.indexOf("-", 6)).join(" ") }];
  });
}

/** The mount a path lies on: the deepest point above it; of two on one point the later row is on top. */
function mountOf(path: string, table: readonly MountRow[]): MountRow {
  let best: MountRow = { point: "/", flags: [], optional: "" };
  for (const row of table) {
    const holds = row.point === "/" || row.point === path || path.startsWith(`${row.point}/`);
    if (holds && row.point.length >= best.point.length) best = row;
  }
  return best;
}
