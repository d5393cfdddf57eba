import type { FlagTable } from "../command.ts";

export const detachKeysFlag = {
  "detach-keys": { type: "string", help: "Keys that detach from the container, instead of ctrl-p,ctrl-q" },
} as const satisfies FlagTable;

export const sigProxyFlag = {
  "sig-proxy": { type: "bool", default: true, defaultText: "true", help: "Pass received signals on to the process" },
} as const satisfies FlagTable;
