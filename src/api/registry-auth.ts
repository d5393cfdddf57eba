import type { Credentials } from "../distribution/registries.ts";

const maxHeaderBytes = 64 * 1024; // bearer tokens are some kilobytes

/**
 * X-Registry-Auth: base64 of either alphabet, padded or not, of JSON. What cannot be read is anonymous, as with
 * dockerd: the registry says whether that is enough.
 */
export function readRegistryAuth(header: string | undefined): Credentials {
  if (header === undefined || header === "" || header.length > maxHeaderBytes) return {};
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(header, "base64url").toString("utf8"));
  } catch {
    return {};
  }
  return value !== null && typeof value === "object" ? credentialsOf(value as Record<string, unknown>) : {};
}

/** An AuthConfig of the wire. */
export function credentialsOf(config: Readonly<Record<string, unknown>>): Credentials {
  const text = (name: string): string => (typeof config[name] === "string" ? config[name] : "");
  let [username, password] = [text("username"), text("password")];
  if (username === "" && text("auth") !== "") {
    const [user = "", ...rest] = Buffer.from(text("auth"), "base64").toString("utf8").split(":");
    [username, password] = [user, rest.join(":")];
  }
  return {
    ...(username !== "" && { username, password }),
    ...(text("identitytoken") !== "" && { identityToken: text("identitytoken") }),
    ...(text("registrytoken") !== "" && { registryToken: text("registrytoken") }),
  };
}
