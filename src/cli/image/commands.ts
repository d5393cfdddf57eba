/** The commands about images; loaded when used. Keys are the paths and their aliases. */
export const imageCommands = {
  "image ls": () => import("./ls.ts").then((m) => m.imageLs),
  "image inspect": () => import("./inspect.ts").then((m) => m.imageInspect),
  "image history": () => import("./history.ts").then((m) => m.imageHistory),
  "image import": () => import("./import.ts").then((m) => m.imageImport),
  "image load": () => import("./load.ts").then((m) => m.imageLoad),
  "image send": () => import("./send.ts").then((m) => m.imageSend),
  "image save": () => import("./save.ts").then((m) => m.imageSave),
  "image tag": () => import("./tag.ts").then((m) => m.imageTag),
  "image rm": () => import("./rm.ts").then((m) => m.imageRm),
  "image prune": () => import("./prune.ts").then((m) => m.imagePrune),
  "image pull": () => import("./pull.ts").then((m) => m.imagePull),
  "image push": () => import("./push.ts").then((m) => m.imagePush),
  "image make-busybox": () => import("../system/first-image.ts").then((m) => m.makeBusybox),
  search: () => import("./search.ts").then((m) => m.search),
};

/** Other paths of the same commands. */
export const imageAliases = {
  "image list": "image ls",
  images: "image ls",
  history: "image history",
  import: "image import",
  load: "image load",
  save: "image save",
  tag: "image tag",
  "image remove": "image rm",
  rmi: "image rm",
  pull: "image pull",
  push: "image push",
} as const;
