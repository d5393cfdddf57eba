import type { LogDriver } from "./driver.ts";

/** The log drivers, by the name of `--log-driver`. */
export const logDrivers = {
  "json-file": () => import("./json-file/json-file.ts").then((m) => m.jsonFile),
  local: () => import("./local/local.ts").then((m) => m.local),
  none: () => import("./none/none.ts").then((m) => m.none),
} satisfies Record<string, () => Promise<LogDriver>>;
