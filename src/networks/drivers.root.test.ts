import { bridgeName } from "./bridge/bridge.ts";
import { networkDriverConformance } from "./conformance.ts";

networkDriverConformance({ name: "bridge", hostLink: bridgeName });
networkDriverConformance({ name: "host" });
networkDriverConformance({ name: "null" });
const ownParent = ({ id }: { id: string }): string => `dm-${id.slice(0, 12)}`;
networkDriverConformance({ name: "macvlan", hostLink: ownParent, needs: "macvlan" });
networkDriverConformance({ name: "ipvlan", hostLink: ownParent, needs: "ipvlan" });
networkDriverConformance({ name: "cni", options: { conflist: "conformance" } });
