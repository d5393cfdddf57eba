import { type Credential, findCredential } from "../login/credentials.ts";
import { registryKey } from "../login/registry-name.ts";

/** What X-Registry-Auth and X-Registry-Config hold for a registry. */
export const authConfig = (server: string, { username, password, identityToken }: Credential) => ({
  username,
  password,
  serveraddress: server,
  ...(identityToken === "" ? {} : { identitytoken: identityToken }),
});

/** Base64 for URLs, padded: what Docker's own client sends. */
export const authHeader = (value: unknown): string => {
  const text = Buffer.from(JSON.stringify(value)).toString("base64url");
  return text + "=".repeat((4 - (text.length % 4)) % 4);
};

/**
 * The X-Registry-Auth header for a repository's registry, from config.json or its helper; empty without any
 * credentials. A helper that fails is told, and the request goes on without: the image may be public.
 */
export async function registryAuthHeaders(name: string, configDir: string): Promise<Record<string, string>> {
  const server = registryKey(name);
  let credential: Credential | undefined;
  try {
    credential = await findCredential(configDir, server);
  } catch (error) {
    process.stderr.write(`WARNING: no credentials for ${server}: ${error instanceof Error ? error.message : ""}\n`);
  }
  return credential === undefined ? {} : { "x-registry-auth": authHeader(authConfig(server, credential)) };
}
