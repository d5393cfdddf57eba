/** The commands about volumes; loaded when used. */
export const volumeCommands = {
  "volume create": () => import("./create.ts").then((m) => m.volumeCreate),
  "volume inspect": () => import("./inspect.ts").then((m) => m.volumeInspect),
  "volume ls": () => import("./ls.ts").then((m) => m.volumeLs),
  "volume prune": () => import("./prune.ts").then((m) => m.volumePrune),
  "volume rm": () => import("./rm.ts").then((m) => m.volumeRm),
};

/** Other paths of the same commands. */
export const volumeAliases = { "volume list": "volume ls", "volume remove": "volume rm" } as const;
