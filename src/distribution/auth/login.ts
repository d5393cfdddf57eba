import { EngineError } from "../../base/errors.ts";
import { defaultDomain } from "../../spec/reference.ts";
import { discard } from "../http/answer-body.ts";
import { readChallenges } from "./challenge.ts";
import type { Endpoints } from "../endpoints.ts";
import type { Cancel, Credentials } from "../registries.ts";
import { fetchToken } from "./token.ts";
import type { Transport } from "../http/transport.ts";

const answerMs = 30_000;

/**
 * Checks credentials as `docker login` wants it: the registry's base must open with them. Gives a refresh token where
 * the token server has one. Throws `unauthorized`.
 */
export async function login(
  { endpoints, transport }: { endpoints: Endpoints; transport: Transport },
  address: string,
  credentials: Credentials,
  { signal }: Cancel,
): Promise<{ status: string; identityToken: string }> {
  const domain = registryDomain(address);
  const base = await (await endpoints.registry(domain)).base(signal);
  const url = new URL("v2/", base);
  const { response: first } = await transport.sendFollowing({ method: "GET", url, signal, answerMs });
  await discard(first);
  let identityToken = "";
  let last = first;
  if (first.status === 401) {
    const offered = readChallenges(first.headers.get("www-authenticate"));
    const bearer = offered.find(({ scheme, parameters }) => scheme === "bearer" && parameters["realm"] !== undefined);
    let rights: string;
    if (bearer) {
      const token = await fetchToken({
        transport,
        registry: base,
        realm: bearer.parameters["realm"] ?? "",
        service: bearer.parameters["service"] ?? "",
        scopes: [],
        credentials,
        offline: true,
      });
      identityToken = token.refreshToken || (credentials.identityToken ?? "");
      rights = `Bearer ${token.value}`;
    } else {
      rights = `Basic ${Buffer.from(`${credentials.username ?? ""}:${credentials.password ?? ""}`).toString("base64")}`;
    }
    const headers = { Authorization: rights };
    ({ response: last } = await transport.sendFollowing({ method: "GET", url, headers, signal, answerMs }));
    await discard(last);
  }
  if (last.status === 200) return { status: "Login Succeeded", identityToken };
  const text = `login attempt to ${url.href} failed with status: ${last.status} ${last.statusText}`.trim();
  throw new EngineError(last.status === 401 || last.status === 403 ? "unauthorized" : "unavailable", text, {
    status: last.status,
  });
}

/** `https://index.docker.io/v1/`, `host:5000`, `https://host/`, or nothing for Docker Hub. Throws `invalid`. */
export function registryDomain(address: string): string {
  const host = address.replace(/^[a-z]+:\/\//i, "").split("/")[0] ?? "";
  if (["", "index.docker.io", "registry-1.docker.io", defaultDomain].includes(host)) return defaultDomain;
  if (!/^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?$/.test(host) || URL.parse(`https://${host}`) === null)
    throw new EngineError("invalid", `invalid registry address ${JSON.stringify(address)}`);
  return host;
}
