import type { NetworkDriver } from "./driver.ts";

/** Keys are Docker's driver names, as `network create --driver` and `info` show them. */
export const networkDrivers = {
  bridge: () => import("./bridge/bridge.ts").then((m) => m.bridge),
  cni: () => import("./cni/cni.ts").then((m) => m.cni),
  host: () => import("./host/host.ts").then((m) => m.host),
  ipvlan: () => import("./ipvlan/ipvlan.ts").then((m) => m.ipvlan),
  macvlan: () => import("./macvlan/macvlan.ts").then((m) => m.macvlan),
  null: () => import("./none/none.ts").then((m) => m.none),
} satisfies Record<string, () => Promise<NetworkDriver>>;
