import { join } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { isMounted, mount, mountFlags } from "../../kernel/mount.ts";
import type { Container } from "../container.ts";
import type { ContainerDeps } from "../deps.ts";
import { isLive } from "../books/state.ts";

/** Path of the namespace of another container that a `container:` mode joins; undefined for other modes. */
export function joinedNamespace(
  deps: ContainerDeps,
  mode: string | { readonly container: string },
  kind: "pid" | "ipc",
): string | undefined {
  if (typeof mode === "string") return undefined;
  const { pid } = runningPeer(deps, mode.container, kind).state;
  return `/proc/${pid}/ns/${kind}`;
}

function runningPeer(deps: ContainerDeps, id: string, kind: string): Container {
  const peer = deps.records.get(id);
  if (isLive(peer.state)) return peer;
  throw new EngineError(
    "conflict",
    `cannot join ${kind} namespace of a non running container: container ${peer.name} is ${peer.state.status}`,
    { id },
  );
}

/** Folder of a shareable container's /dev/shm on the host. */
export const shmFolder = (container: Container): string => join(container.paths.folder, "shm");

/** What the container has at /dev/shm: the host's, another container's, a shareable one; empty = one of its own. */
export function shmPath(deps: ContainerDeps, { plan, paths }: Container): string {
  const { ipc } = plan.namespaces;
  if (ipc === "host") return "/dev/shm";
  if (ipc === "shareable") return join(paths.folder, "shm");
  if (typeof ipc === "string") return "";
  const peer = deps.records.get(ipc.container);
  if (peer.plan.namespaces.ipc !== "shareable" && peer.plan.namespaces.ipc !== "host") {
    throw new EngineError(
      "invalid",
      `cannot join IPC of container ${ipc.container}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
      { id: ipc.container },
    );
  }
  return shmPath(deps, peer);
}

/** Mounts the tmpfs of a shareable container. Idempotent. */
export function mountShm(container: Container): void {
  const target = shmFolder(container);
  if (isMounted(target)) return;
  mount({
    source: "shm",
    target,
    type: "tmpfs",
    flags: mountFlags.noSuid | mountFlags.noDev | mountFlags.noExec,
    data: `mode=1777,size=${container.plan.shmSizeBytes}`,
  });
}
