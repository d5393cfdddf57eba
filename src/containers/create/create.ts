import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { nowNs } from "../../base/clock.ts";
import { EngineError } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { newId } from "../../base/id.ts";
import type { Caller } from "../../spec/caller.ts";
import type { Container, ContainerPaths, MountView } from "../container.ts";
import type { CreateRequest } from "../containers.ts";
import { type ContainerDeps, lockTimeoutMs, type Settings } from "../deps.ts";
import { publish } from "../events.ts";
import { logTarget } from "../logs.ts";
import type { ContainerPlan, MountPlan } from "../plan.ts";
import { initialState } from "../books/state.ts";
import { checkBindSources } from "./mounts/mounts.ts";
import { randomName } from "./names.ts";
import { normalizeCreate } from "./normalize.ts";

export interface CreateOptions {
  /** Empty = a random one. */
  readonly name: string;
  readonly platform: string;
  readonly caller: Caller;
}

/**
 * Makes a container: its row, its volumes and its writable snapshot. Nothing runs. The row is written first; every
 * step behind it is repeated by the start, so a crash in between leaves a container that works.
 */
export async function createContainer(
  deps: ContainerDeps,
  request: CreateRequest,
  options: CreateOptions,
): Promise<{ id: string; warnings: string[] }> {
  const reference = request.Image ?? "";
  if (reference === "") throw new EngineError("invalid", "no image specified");
  const image = deps.images.resolve(reference, { platform: options.platform });
  const id = newId();
  const name = chooseName(deps, options.name);
  const {
    plan: unnamed,
    request: merged,
    warnings,
  } = normalizeCreate(request, {
    id,
    name,
    image,
    platform: options.platform,
    defaults: deps.settings.defaults(),
    containers: (ref) => deps.records.get(ref),
  });
  const plan = nameVolumes(unnamed);
  deps.runtimes.get(plan.runtime);
  warnings.push(...(await checkBindSources(plan.mounts)));
  (await deps.logDriver(plan.log.driver)).validate(plan.log.options);
  const container: Container = {
    id,
    name,
    createdAtNs: nowNs(),
    owner: options.caller,
    imageId: image.id,
    chainIds: image.chainIds,
    imageReference: reference,
    plan,
    request: merged,
    mounts: [],
    state: initialState,
    execIds: [],
    paths: containerPaths(deps.settings, id, plan),
  };
  await make(deps, container, options.caller);
  return { id, warnings };
}

async function make(deps: ContainerDeps, container: Container, caller: Caller): Promise<void> {
  const { id, plan } = container;
  // Nobody starts or removes it by its name while it is made. Free always: the id is new.
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  await using undo = new AsyncDisposableStack();
  deps.records.insert(container);
  undo.defer(() => deps.records.delete(id));
  fault("create.after-row");
  const snapshot = deps.snapshotter.prepare(id, container.chainIds);
  undo.defer(() => deps.snapshotter.remove(id));
  await Promise.all([snapshot, makeFolder(container)]);
  fault("create.after-snapshot");
  const made = plan.mounts.length > 0 ? await makeVolumes(deps, container, caller, undo) : container;
  undo.move();
  publish(deps.events, made, "create", caller);
}

const makeFolder = (container: Container): Promise<unknown> =>
  mkdir(logTarget(container).folder, { recursive: true, mode: 0o710 });

function chooseName(deps: ContainerDeps, wanted: string): string {
  const name = wanted.startsWith("/") ? wanted.slice(1) : wanted;
  if (name !== "") {
    checkName(name, wanted);
    return name;
  }
  for (let tries = 0; tries < 6; tries++) {
    const candidate = randomName(tries);
    if (!deps.records.byName(candidate)) return candidate;
  }
  return newId().slice(0, 12);
}

/** Docker's rule for container names. */
export function checkName(name: string, given = name): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) return;
  throw new EngineError("invalid", `Invalid container name (${given}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`, {
    name: given,
  });
}

export function containerPaths({ dataRoot, execRoot }: Settings, id: string, plan: ContainerPlan): ContainerPaths {
  const folder = join(dataRoot, "containers", id);
  const bundle = join(execRoot, "c", id);
  return {
    folder,
    hosts: join(folder, "hosts"),
    hostname: join(folder, "hostname"),
    resolv: join(folder, "resolv.conf"),
    log: plan.log.driver === "json-file" ? join(folder, "logs", `${id}-json.log`) : "",
    rootfs: join(bundle, "rootfs"),
    bundle,
  };
}

/** The row names its anonymous volumes before they are made, so that none is without an owner after a crash. */
function nameVolumes(plan: ContainerPlan): ContainerPlan {
  const mounts = plan.mounts.map((mount) =>
    mount.type === "volume" && mount.volume === "" ? { ...mount, volume: newId(), anonymous: true } : mount,
  );
  return { ...plan, mounts };
}

/** Makes the folder and the volumes of a container whose create was cut by a crash before it had all. */
export async function completeCreate(deps: ContainerDeps, container: Container, caller: Caller): Promise<Container> {
  await makeFolder(container);
  const made = new Set(container.mounts.map(({ target }) => target));
  if (container.plan.mounts.every(({ type, target }) => type !== "volume" || made.has(target))) return container;
  await using undo = new AsyncDisposableStack();
  const whole = await makeVolumes(deps, container, caller, undo);
  undo.move();
  return whole;
}

/** Makes the volumes that the mounts name, and says how inspect shows each mount. */
async function makeVolumes(
  deps: ContainerDeps,
  container: Container,
  caller: Caller,
  undo: AsyncDisposableStack,
): Promise<Container> {
  const { id, plan } = container;
  for (const mount of plan.mounts) {
    if (mount.type !== "volume") continue;
    const name = mount.volume;
    await deps.volumes.create({
      name,
      ...(mount.anonymous && { anonymous: true }),
      driver: mount.driver,
      labels: mount.labels,
      options: mount.options,
      caller,
    });
    if (mount.anonymous) undo.defer(() => deps.volumes.remove(name, { force: true, caller }));
    fault("create.after-volume");
    deps.volumes.hold(name, id);
    undo.defer(() => deps.volumes.release(name, id));
  }
  return deps.records.change(id, { mounts: plan.mounts.flatMap((mount) => viewOf(deps, mount)) });
}

function viewOf(deps: ContainerDeps, mount: MountPlan): MountView[] {
  const view = {
    target: mount.target,
    mode: mount.mode,
    readWrite: !mount.readOnly,
    driver: "",
    name: "",
    propagation: "",
  };
  switch (mount.type) {
    case "bind":
      return [{ ...view, type: "bind", source: mount.source, propagation: mount.propagation }];
    case "tmpfs":
      return mount.listed ? [{ ...view, type: "tmpfs", source: "" }] : [];
    case "image":
      return [{ ...view, type: "image", source: mount.source }];
    case "volume": {
      const { name, mountpoint, driver } = deps.volumes.get(mount.volume);
      return [{ ...view, type: "volume", name, source: mountpoint, driver }];
    }
  }
}
