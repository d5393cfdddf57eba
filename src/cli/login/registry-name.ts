/** Docker Hub is kept under the address of its first version. */
export const hubAddress = "https://index.docker.io/v1/";

/** The key of `auths` for a server as people type it: `https://host:5000/v2/` is `host:5000`. */
export function serverKey(server: string): string {
  if (server === "" || server === "docker.io" || server === hubAddress) return hubAddress;
  return hostOf(server);
}

/** The host of an address; older clients kept whole addresses as keys. */
export const hostOf = (address: string): string => address.replace(/^https?:\/\//, "").replace(/\/.*$/s, "");

/** The key of `auths` for the registry of a repository (`busybox`, `host:5000/app`). */
export function registryKey(name: string): string {
  const first = name.split("/")[0] ?? "";
  const isHost = name.includes("/") && (/[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first);
  return !isHost || first === "docker.io" || first === "index.docker.io" ? hubAddress : first;
}
