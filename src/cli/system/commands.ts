/** The commands about the engine as a whole; loaded when used. */
export const systemCommands = {
  "system check": () => import("./check.ts").then((m) => m.systemCheck),
  "system df": () => import("./df.ts").then((m) => m.systemDf),
  "system dial-stdio": () => import("./dial-stdio.ts").then((m) => m.dialStdio),
  "system events": () => import("./events.ts").then((m) => m.events),
  "system info": () => import("./info.ts").then((m) => m.info),
  "system prune": () => import("./prune.ts").then((m) => m.systemPrune),
  inspect: () => import("./inspect.ts").then((m) => m.inspect),
  version: () => import("./version.ts").then((m) => m.version),
};

/** Other paths of the same commands. */
export const systemAliases = { events: "system events", info: "system info" } as const;
