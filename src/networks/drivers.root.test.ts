import { bridgeName } from "./bridge/bridge.ts";
import { networkDriverConformance } from "./conformance.ts";

networkDriverConformance({ name: "bridge", hostLink: bridgeName });
networkDriverConformance({ name: "host" });
networkDriverConformance({ name: "null" });
