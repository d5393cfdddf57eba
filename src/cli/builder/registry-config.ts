import { authConfig, authHeader } from "../image/registry-auth.ts";
import { allCredentials } from "../login/credentials.ts";

/** X-Registry-Config: credentials of all registries, as nobody knows before which ones a Dockerfile names. */
export async function registryConfigHeader(configDir: string): Promise<Record<string, string>> {
  const all = await allCredentials(configDir, () => {});
  const rows = [...all].map(([server, credential]) => [server, authConfig(server, credential)] as const);
  return rows.length === 0 ? {} : { "x-registry-config": authHeader(Object.fromEntries(rows)) };
}
