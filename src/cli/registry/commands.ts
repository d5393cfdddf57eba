/** The commands about our own registry server; loaded when used. */
export const registryCommands = {
  "registry check": () => import("./check.ts").then((m) => m.registryCheck),
  "registry gc": () => import("./gc.ts").then((m) => m.registryGc),
  "registry immutable": () => import("./immutable.ts").then((m) => m.registryImmutable),
  "registry ls": () => import("./ls.ts").then((m) => m.registryLs),
  "registry quota": () => import("./quota.ts").then((m) => m.registryQuota),
  "registry retention": () => import("./retention.ts").then((m) => m.registryRetention),
  "registry robot": () => import("./robot.ts").then((m) => m.registryRobot),
  "registry serve": () => import("./serve.ts").then((m) => m.registryServe),
  "registry user": () => import("./user.ts").then((m) => m.registryUser),
};
