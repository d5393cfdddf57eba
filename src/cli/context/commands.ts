/** The commands about contexts; loaded when used. */
export const contextCommands = {
  "context create": () => import("./create.ts").then((m) => m.contextCreate),
  "context export": () => import("./export.ts").then((m) => m.contextExport),
  "context import": () => import("./import.ts").then((m) => m.contextImport),
  "context inspect": () => import("./inspect.ts").then((m) => m.contextInspect),
  "context ls": () => import("./ls.ts").then((m) => m.contextLs),
  "context rm": () => import("./rm.ts").then((m) => m.contextRm),
  "context show": () => import("./show.ts").then((m) => m.contextShow),
  "context update": () => import("./update.ts").then((m) => m.contextUpdate),
  "context use": () => import("./use.ts").then((m) => m.contextUse),
};

/** Other paths of the same commands. */
export const contextAliases = { "context list": "context ls", "context remove": "context rm" } as const;
