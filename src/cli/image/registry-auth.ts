import { readConfigFile } from "../config-file.ts";

/** docker.io is kept under the address of its first version. */
const hubAddress = "https://index.docker.io/v1/";

/** The X-Registry-Auth header for a repository's registry, from the auths of config.json; empty without any. */
export function registryAuthHeaders(name: string, configDir: string): Record<string, string> {
  const first = name.split("/")[0] ?? "";
  const isHost = name.includes("/") && (/[.:]/.test(first) || first === "localhost");
  const server = isHost ? first : hubAddress;
  const entry = readConfigFile(configDir).auths?.[server];
  if (entry === undefined) return {};
  const [username = "", password = ""] =
    entry.auth === undefined
      ? [entry.username, entry.password]
      : splitOnce(Buffer.from(entry.auth, "base64").toString());
  const config = {
    username,
    password,
    serveraddress: server,
    ...(entry.identitytoken === undefined ? {} : { identitytoken: entry.identitytoken }),
  };
  return { "x-registry-auth": Buffer.from(JSON.stringify(config)).toString("base64url") };
}

function splitOnce(text: string): [string, string] {
  const colon = text.indexOf(":");
  return colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
}
