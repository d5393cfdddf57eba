/** The commands about manifests and manifest lists; loaded when used. */
export const manifestCommands = {
  "manifest annotate": () => import("./annotate.ts").then((m) => m.manifestAnnotate),
  "manifest create": () => import("./create.ts").then((m) => m.manifestCreate),
  "manifest inspect": () => import("./inspect.ts").then((m) => m.manifestInspect),
  "manifest push": () => import("./push.ts").then((m) => m.manifestPush),
  "manifest rm": () => import("./rm.ts").then((m) => m.manifestRm),
};
