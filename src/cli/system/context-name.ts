import { readConfigFile } from "../config-file.ts";

/** The name that `info` and `version` show as the context. */
export function contextName(env: Readonly<Record<string, string | undefined>>, configDir: string): string {
  if (env["BERTH_HOST"] || env["DOCKER_HOST"]) return "default";
  return env["DOCKER_CONTEXT"] || readConfigFile(configDir).currentContext || "default";
}
