import { type AuthEntry, changeConfigFile, type ConfigFile, readConfigFile } from "../config-file.ts";
import { helperErase, helperGet, helperList, helperStore } from "./credential-helper.ts";
import { hostOf } from "./registry-name.ts";

/** What a registry is told about who asks. */
export interface Credential {
  readonly username: string;
  readonly password: string;
  /** A refresh token that an earlier login gave; then there is no password. */
  readonly identityToken: string;
}

/** The user name under which helpers keep a refresh token. */
const tokenUser = "<token>";

/**
 * Credentials of docker's config.json, or of the helper that it names for the registry. `DOCKER_AUTH_CONFIG` (the same
 * JSON) goes before both, as in docker. `server` is a key of `auths`.
 */
export async function findCredential(configDir: string, server: string): Promise<Credential | undefined> {
  const given = fromEnvironment(process.env["DOCKER_AUTH_CONFIG"]);
  const config = readConfigFile(configDir);
  const entry = entryOf(given, server);
  if (entry !== undefined) return entryCredential(entry);
  const helper = helperFor(config, server);
  if (helper === undefined) {
    const found = entryOf(config, server);
    return found === undefined ? undefined : entryCredential(found);
  }
  const kept = await helperGet(helper, server);
  // docker-credential-pass knows nobody by empty texts
  if (kept === undefined || (kept.Username === "" && kept.Secret === "")) return undefined;
  return kept.Username === tokenUser
    ? { username: "", password: "", identityToken: kept.Secret }
    : { username: kept.Username, password: kept.Secret, identityToken: "" };
}

/** Keeps credentials; gives whether that was in plain text, newly. */
export async function storeCredential(
  configDir: string,
  server: string,
  credential: Credential,
): Promise<{ plainText: boolean }> {
  const config = readConfigFile(configDir);
  const helper = helperFor(config, server);
  const found = helper === undefined ? installedHelper(config) : undefined;
  const token = credential.identityToken !== "";
  const entry = {
    ServerURL: server,
    Username: token ? tokenUser : credential.username,
    Secret: token ? credential.identityToken : credential.password,
  };
  if (helper !== undefined) {
    await helperStore(helper, entry);
    setEntry(configDir, server, {}); // docker shows by the empty entry that a helper has it
    return { plainText: false };
  }
  if (found !== undefined && (await isStored(found, entry))) {
    changeConfigFile(configDir, (changed) => void (changed["credsStore"] = found));
    setEntry(configDir, server, {});
    return { plainText: false };
  }
  const auth = Buffer.from(`${credential.username}:${credential.password}`).toString("base64");
  const before = config.auths?.[server];
  if (before?.auth === auth && (before.identitytoken ?? "") === credential.identityToken) return { plainText: false };
  setEntry(configDir, server, { auth, ...(token && { identitytoken: credential.identityToken }) });
  return { plainText: credential.password !== "" };
}

/** Forgets credentials under each of the keys; gives what went wrong, per key. */
export async function eraseCredential(configDir: string, servers: readonly string[]): Promise<string[]> {
  const problems: string[] = [];
  for (const server of servers) {
    const helper = helperFor(readConfigFile(configDir), server);
    try {
      if (helper !== undefined) await helperErase(helper, server);
    } catch (error) {
      problems.push(`${server}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const known = readConfigFile(configDir).auths ?? {};
  if (servers.some((server) => Object.hasOwn(known, server)))
    changeConfigFile(configDir, (config) => {
      config["auths"] = Object.fromEntries(Object.entries(known).filter(([key]) => !servers.includes(key)));
    });
  return problems;
}

/** All credentials there are, by registry: what a build is given. A helper that fails is told and passed over. */
export async function allCredentials(
  configDir: string,
  warn: (text: string) => void,
): Promise<Map<string, Credential>> {
  const config = readConfigFile(configDir);
  const given = fromEnvironment(process.env["DOCKER_AUTH_CONFIG"]);
  const servers = new Set([
    ...Object.keys(given.auths ?? {}),
    ...Object.keys(config.auths ?? {}),
    ...Object.keys(config.credHelpers ?? {}),
  ]);
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      warn(`WARNING: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  if (config.credsStore !== undefined) {
    const { credsStore } = config;
    for (const server of (await attempt(() => helperList(credsStore))) ?? []) servers.add(server);
  }
  const found = new Map<string, Credential>();
  for (const server of servers) {
    const credential = await attempt(() => findCredential(configDir, server));
    if (credential !== undefined) found.set(server, credential);
  }
  return found;
}

/** Whether a helper took it that nobody has set up for us: one that is not ready is passed over, where docker fails. */
async function isStored(helper: string, entry: Parameters<typeof helperStore>[1]): Promise<boolean> {
  try {
    await helperStore(helper, entry);
    return true;
  } catch {
    return false;
  }
}

/** The helper that docker takes by itself where nothing is configured or kept yet, when it is installed. */
function installedHelper(config: ConfigFile): string | undefined {
  const isFresh =
    !config.credsStore &&
    Object.keys(config.credHelpers ?? {}).length === 0 &&
    Object.keys(config.auths ?? {}).length === 0;
  if (!isFresh) return undefined;
  const name = Bun.which("pass") === null ? "secretservice" : "pass";
  return Bun.which(`docker-credential-${name}`) === null ? undefined : name;
}

function helperFor(config: ConfigFile, server: string): string | undefined {
  const own = config.credHelpers !== undefined && Object.hasOwn(config.credHelpers, server);
  return (own ? config.credHelpers?.[server] : undefined) || config.credsStore || undefined;
}

function entryOf(config: ConfigFile, server: string): AuthEntry | undefined {
  const auths = config.auths ?? {};
  if (Object.hasOwn(auths, server)) return auths[server];
  // old clients kept whole addresses
  return Object.entries(auths).find(([key]) => hostOf(key) === server)?.[1];
}

function entryCredential(entry: AuthEntry): Credential | undefined {
  const text = entry.auth ? Buffer.from(entry.auth, "base64").toString() : undefined;
  const colon = text?.indexOf(":") ?? -1;
  const username = text === undefined ? (entry.username ?? "") : colon < 0 ? text : text.slice(0, colon);
  const password =
    text === undefined ? (entry.password ?? "") : colon < 0 ? "" : text.slice(colon + 1).replace(/\0+$/, "");
  const identityToken = entry.identitytoken ?? "";
  return username === "" && password === "" && identityToken === "" ? undefined : { username, password, identityToken };
}

function fromEnvironment(text: string | undefined): ConfigFile {
  if (text === undefined || text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {}; // docker goes on without it
  }
}

function setEntry(configDir: string, server: string, entry: AuthEntry): void {
  changeConfigFile(configDir, (config) => {
    const auths = (config["auths"] ?? {}) as Record<string, AuthEntry>;
    config["auths"] = { ...auths, [server]: entry };
  });
}
