/** The commands about networks; loaded when used. */
export const networkCommands = {
  "network connect": () => import("./connect.ts").then((m) => m.networkConnect),
  "network create": () => import("./create.ts").then((m) => m.networkCreate),
  "network disconnect": () => import("./disconnect.ts").then((m) => m.networkDisconnect),
  "network inspect": () => import("./inspect.ts").then((m) => m.networkInspect),
  "network ls": () => import("./ls.ts").then((m) => m.networkLs),
  "network prune": () => import("./prune.ts").then((m) => m.networkPrune),
  "network rm": () => import("./rm.ts").then((m) => m.networkRm),
};

/** Other paths of the same commands. */
export const networkAliases = { "network list": "network ls", "network remove": "network rm" } as const;
