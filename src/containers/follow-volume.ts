import type { Volume } from "../volumes/volume.ts";
import type { Records } from "./books/records.ts";
import type { Container } from "./container.ts";

/** Writes a volume's new name into every container that refers to it. Synchronous: part of the rename's transaction. */
export function followVolume(records: Records, from: string, volume: Volume): void {
  for (const container of records.list()) {
    if (!container.plan.mounts.some((mount) => mount.type === "volume" && mount.volume === from)) continue;
    const { plan, mounts, request } = container;
    records.change(container.id, {
      plan: {
        ...plan,
        mounts: plan.mounts.map((mount) =>
          mount.type === "volume" && mount.volume === from
            ? { ...mount, volume: volume.name, anonymous: false }
            : mount,
        ),
      },
      mounts: mounts.map((view) =>
        view.type === "volume" && view.name === from ? { ...view, name: volume.name, source: volume.mountpoint } : view,
      ),
      request: renamedRequest(request, from, volume.name),
    });
  }
}

function renamedRequest(request: Container["request"], from: string, to: string): Container["request"] {
  const { hostConfig: host } = request;
  return {
    ...request,
    hostConfig: {
      ...host,
      ...(host.Binds && {
        Binds: host.Binds.map((row) => (row.startsWith(`${from}:`) ? to + row.slice(from.length) : row)),
      }),
      ...(host.Mounts && {
        Mounts: host.Mounts.map((mount) =>
          mount.Type === "volume" && mount.Source === from ? { ...mount, Source: to } : mount,
        ),
      }),
    },
  };
}
