/** The commands about builds; loaded when used. Keys are the paths. */
export const builderCommands = {
  "image build": () => import("./build.ts").then((m) => m.build),
  "builder prune": () => import("./prune.ts").then((m) => m.builderPrune),
  "builder du": () => import("./du.ts").then((m) => m.builderDu),
  "builder history": () => import("./history.ts").then((m) => m.builderHistory),
  "builder rm": () => import("./history.ts").then((m) => m.builderRemove),
};

/** Other paths of the same commands. */
export const builderAliases = {
  build: "image build",
  "builder build": "image build",
  "buildx build": "image build",
  "buildx du": "builder du",
  "buildx prune": "builder prune",
} as const;
