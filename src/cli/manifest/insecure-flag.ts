import type { FlagRow } from "../command.ts";

/** docker's client speaks to registries itself here; ours lets the engine, whose settings say which may be insecure. */
export const insecureFlag = {
  type: "bool",
  help: "Accepted for docker's sake: the engine's insecure-registries decide",
} as const satisfies FlagRow;
