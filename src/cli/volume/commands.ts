/** The commands about volumes; loaded when used. */
export const volumeCommands = {
  "volume copy": () => import("./copy.ts").then((m) => m.volumeCopy),
  "volume create": () => import("./create.ts").then((m) => m.volumeCreate),
  "volume export": () => import("./export.ts").then((m) => m.volumeExport),
  "volume import": () => import("./import.ts").then((m) => m.volumeImport),
  "volume inspect": () => import("./inspect.ts").then((m) => m.volumeInspect),
  "volume ls": () => import("./ls.ts").then((m) => m.volumeLs),
  "volume prune": () => import("./prune.ts").then((m) => m.volumePrune),
  "volume rename": () => import("./rename.ts").then((m) => m.volumeRename),
  "volume restore": () => import("./restore.ts").then((m) => m.volumeRestore),
  "volume rm": () => import("./rm.ts").then((m) => m.volumeRm),
  "volume snapshot": () => import("./snapshot.ts").then((m) => m.volumeSnapshot),
  "volume snapshot-rm": () => import("./snapshot-rm.ts").then((m) => m.volumeSnapshotRm),
  "volume snapshots": () => import("./snapshots.ts").then((m) => m.volumeSnapshots),
  "volume update": () => import("./update.ts").then((m) => m.volumeUpdate),
};

/** Other paths of the same commands. */
export const volumeAliases = {
  "volume cp": "volume copy",
  "volume list": "volume ls",
  "volume mv": "volume rename",
  "volume remove": "volume rm",
} as const;
