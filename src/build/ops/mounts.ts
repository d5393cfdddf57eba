import { closeSync, fstatSync } from "node:fs";
import { chmod, chown, mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { bindMount, mount as mountFs, mountFlags } from "../../kernel/mount.ts";
import { openInRoot, openRoot } from "../../kernel/openat2.ts";
import type { BuildRequest } from "../build.ts";
import { cacheName, type OpenCacheMount } from "../cache/cache-mounts.ts";
import type { RunMount } from "../dockerfile/run-mount.ts";
import type { RunOp, SourceOf } from "../graph.ts";
import { snapshotPrefix, type SolverDeps } from "../solve/solver-deps.ts";
import type { StepMount } from "../step-runner.ts";
import { agentSocket } from "./agent-socket.ts";
import type { WorkFolder } from "./work-folder.ts";

/** A step's mounts made ready, and the variables that come with them. */
export interface ReadyMounts {
  readonly mounts: readonly StepMount[];
  readonly env: readonly string[];
}

export interface MountContext {
  readonly deps: SolverDeps;
  readonly request: Pick<BuildRequest, "secret" | "ssh" | "signal">;
  readonly stepId: string;
  readonly work: WorkFolder;
  readonly undo: AsyncDisposableStack;
  /** Layers of a stage or image. */
  layersOf(source: SourceOf): Promise<readonly string[]>;
  /** Folder of a context. */
  folderOf(name: string): Promise<string>;
}

/** Makes everything that `RUN --mount` asks for. What it makes is taken back by `undo`. */
export async function readyMounts(op: RunOp, context: MountContext): Promise<ReadyMounts> {
  const mounts: StepMount[] = [];
  const env: string[] = [];
  const caches = await openCaches(op, context);
  let agents = 0;
  for (const { mount, from } of op.mounts) {
    switch (mount.type) {
      case "bind":
        mounts.push(await bind(mount, from, op, context));
        break;
      case "cache":
        mounts.push(await cache(mount, from, op, context, caches.get(mount)));
        break;
      case "tmpfs":
        mounts.push({ type: "tmpfs", target: absolute(op, mount.target), sizeBytes: mount.sizeBytes });
        break;
      case "secret": {
        const made = await secret(mount, op, context);
        mounts.push(...made.mounts);
        env.push(...made.env);
        break;
      }
      case "ssh": {
        const made = await ssh(mount, op, context, agents++);
        mounts.push(...made.mounts);
        if (agents === 1) env.push(...made.env);
        break;
      }
    }
  }
  if (op.script) {
    const folder = await context.work.folder();
    const file = join(folder, op.script.name.replaceAll("/", "_"));
    await writeFile(file, op.script.content, { mode: 0o755 });
    await chmod(file, 0o755);
    mounts.push({ type: "bind", source: folder, target: "/dev/pipes", readOnly: true });
  }
  return { mounts: mounts.sort((a, b) => a.target.length - b.target.length), env };
}

const absolute = (op: RunOp, target: string): string => posix.join("/", target.startsWith("/") ? "" : op.cwd, target);

async function bind(mount: RunMount, from: SourceOf | null, op: RunOp, context: MountContext): Promise<StepMount> {
  const target = absolute(op, mount.target);
  const root = await rootOf(from ?? { kind: "context", name: "" }, mount, context);
  const source = await pin(root, mount.source || "/", context, mount);
  return { type: "bind", source, target, readOnly: mount.readOnly };
}

/** A folder with the source's files. Writes to it, where they are allowed, are thrown away after the step. */
async function rootOf(source: SourceOf, mount: RunMount, context: MountContext): Promise<string> {
  const { deps, work, undo, stepId } = context;
  const target = await work.folder();
  if (source.kind === "vertex") {
    const chainIds = await context.layersOf(source);
    if (mount.readOnly) await deps.layers.view(chainIds, target);
    else {
      const key = `${snapshotPrefix}${stepId}-${target.slice(target.lastIndexOf("/") + 1)}`;
      undo.defer(() => deps.layers.remove(key));
      await deps.layers.prepare(key, chainIds, { bare: true });
      await deps.layers.mount(key, target);
    }
    undo.defer(() => deps.layers.unmount(target));
    return target;
  }
  const folder = await context.folderOf(source.name);
  if (mount.readOnly) return folder;
  // what is written may be large: on the disk of the data root, and each mount's own
  const room = join(deps.spoolRoot, `${stepId}-${target.slice(target.lastIndexOf("/") + 1)}`);
  const [upper, inner] = [join(room, "upper"), join(room, "work")];
  undo.defer(() => rm(room, { recursive: true, force: true }));
  for (const folder of [room, upper, inner]) await mkdir(folder, { recursive: true });
  const { mode, uid, gid } = await stat(folder);
  await chown(upper, uid, gid); // the top is the upper folder's
  await chmod(upper, mode & 0o7777);
  mountFs({
    source: "overlay",
    target,
    type: "overlay",
    data: `lowerdir=${folder},upperdir=${upper},workdir=${inner},index=off,metacopy=off,redirect_dir=off`,
  });
  undo.defer(() => deps.layers.unmount(target));
  return target;
}

/** Pins a path of a tree as a mount of our own; the kernel walks, links never lead out. */
async function pin(root: string, path: string, context: MountContext, mount: RunMount): Promise<string> {
  const rootFd = openRoot(root);
  let fd = -1;
  try {
    fd = openInRoot(rootFd, path);
    const isFolder = fstatSync(fd).isDirectory();
    const folder = await context.work.folder();
    const pinned = isFolder ? folder : join(folder, "file");
    if (!isFolder) await writeFile(pinned, "");
    bindMount(`/proc/self/fd/${fd}`, pinned, { readOnly: mount.readOnly });
    context.undo.defer(() => context.deps.layers.unmount(pinned));
    return pinned;
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      throw new EngineError("not-found", `failed to mount ${mount.from || "the build context"}: "${path}": not found`, {
        path,
      });
    throw error;
  } finally {
    if (fd >= 0) closeSync(fd);
    closeSync(rootFd);
  }
}

/** In one order in all steps, a locked one once however often it is named: two steps never wait for each other. */
async function openCaches(
  { mounts }: RunOp,
  { deps, request, undo }: MountContext,
): Promise<ReadonlyMap<RunMount, OpenCacheMount>> {
  const opened = new Map<RunMount, OpenCacheMount>();
  const locked = new Map<string, OpenCacheMount>();
  const wanted = mounts
    .flatMap(({ mount }) => (mount.type === "cache" ? [{ mount, name: cacheName(mount) }] : []))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { mount, name } of wanted) {
    const before = mount.sharing === "locked" ? locked.get(name) : undefined;
    const cache = before ?? undo.use(await deps.mounts.open(mount, request.signal));
    if (mount.sharing === "locked") locked.set(name, cache);
    opened.set(mount, cache);
  }
  return opened;
}

async function cache(
  mount: RunMount,
  from: SourceOf | null,
  op: RunOp,
  context: MountContext,
  opened: OpenCacheMount | undefined,
): Promise<StepMount> {
  if (!opened) throw new EngineError("internal", `cache mount ${mount.target} was not opened`);
  if (opened.isNew && from) {
    const readable = { ...mount, readOnly: true };
    const source = await pin(await rootOf(from, readable, context), mount.source || "/", context, readable);
    await context.deps.trees.copy({
      source,
      patterns: ["."],
      excludes: [],
      parents: false,
      destinationRoot: opened.folder,
      destination: "/",
      owner: null,
      mode: "",
      tellArchives: false,
    });
  }
  return { type: "bind", source: opened.folder, target: absolute(op, mount.target), readOnly: mount.readOnly };
}

async function secret(mount: RunMount, op: RunOp, context: MountContext): Promise<ReadyMounts> {
  const value = await context.request.secret(mount.id);
  if (value === undefined) {
    if (mount.required) throw new EngineError("invalid", `secret ${mount.id}: not found`, { secret: mount.id });
    return { mounts: [], env: [] };
  }
  const env = mount.env === "" ? [] : [`${mount.env}=${Buffer.from(value).toString("utf8")}`];
  if (mount.env !== "" && mount.target === "") return { mounts: [], env };
  const folder = await context.work.folder(0o700);
  // memory only: a secret never comes to a disk
  mountFs({
    source: "tmpfs",
    target: folder,
    type: "tmpfs",
    flags: mountFlags.noSuid | mountFlags.noDev | mountFlags.noExec,
    data: "mode=0755,size=4m",
  });
  context.undo.defer(() => context.deps.layers.unmount(folder));
  const file = join(folder, "secret");
  await writeFile(file, value, { mode: 0o400 });
  await chmod(file, mount.mode ?? 0o400);
  await chown(file, mount.uid ?? 0, mount.gid ?? 0);
  const target = mount.target === "" ? `/run/secrets/${mount.id}` : absolute(op, mount.target);
  return { mounts: [{ type: "bind", source: file, target, readOnly: true }], env };
}

async function ssh(mount: RunMount, op: RunOp, context: MountContext, index: number): Promise<ReadyMounts> {
  const agent = await context.request.ssh(mount.id);
  if (!agent) {
    if (mount.required)
      throw new EngineError("invalid", `ssh agent ${mount.id}: not found: give it by --ssh ${mount.id}`, {
        ssh: mount.id,
      });
    return { mounts: [], env: [] };
  }
  context.undo.defer(() => agent[Symbol.asyncDispose]());
  const socket = await agentSocket(agent.path, {
    folder: await context.work.folder(),
    mode: mount.mode ?? 0o600,
    uid: mount.uid ?? 0,
    gid: mount.gid ?? 0,
  });
  context.undo.defer(() => socket[Symbol.asyncDispose]());
  const target = mount.target === "" ? `/run/buildkit/ssh_agent.${index}` : absolute(op, mount.target);
  return {
    mounts: [{ type: "bind", source: socket.path, target, readOnly: false }],
    env: [`SSH_AUTH_SOCK=${target}`],
  };
}
