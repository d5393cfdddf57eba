import type { StepLimits } from "../build/step-runner.ts";
import { EngineError } from "../base/errors.ts";
import type { Credentials } from "../distribution/registries.ts";
import { truthy } from "./query.ts";
import { readRegistryAuth } from "./registry-auth.ts";

/** What `POST /build` of the classic builder is asked. */
export interface ClassicBuild {
  readonly dockerfile: string;
  readonly tags: readonly string[];
  readonly remote: string;
  readonly quiet: boolean;
  readonly noCache: boolean;
  readonly cacheFrom: readonly string[];
  readonly pull: boolean;
  readonly removeContainers: boolean;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly labels: Readonly<Record<string, string>>;
  readonly network: string;
  readonly extraHosts: readonly string[];
  readonly platform: string;
  readonly target: string;
  readonly limits: StepLimits;
}

/** Reads the query of `POST /build`. Throws `invalid` with Docker's texts where clients know them. */
export function readClassicBuild(search: URLSearchParams): ClassicBuild {
  const text = (name: string): string => search.get(name) ?? "";
  const number = (name: string): number => {
    const value = text(name);
    if (value === "") return 0;
    if (!/^-?\d+$/.test(value))
      throw new EngineError("invalid", `invalid value for ${name}: ${value}`, { field: name });
    return Number(value);
  };
  if (truthy(search.get("squash"))) throw new EngineError("invalid", "squash is only supported with experimental mode");
  if (text("isolation") !== "" && text("isolation") !== "default")
    throw new EngineError("invalid", `Unsupported isolation: ${JSON.stringify(text("isolation"))}`);
  if (text("outputs") !== "" && text("outputs") !== "null" && text("outputs") !== "[]")
    throw new EngineError("invalid", "outputs of the classic builder are images: other outputs need BuildKit");
  return {
    dockerfile: text("dockerfile"),
    tags: search.getAll("t").filter((tag) => tag !== ""),
    remote: text("remote"),
    quiet: truthy(search.get("q")),
    noCache: truthy(search.get("nocache")),
    cacheFrom: texts(search, "cachefrom"),
    pull: truthy(search.get("pull")),
    removeContainers: search.get("rm") === null || truthy(search.get("rm")) || truthy(search.get("forcerm")),
    buildArgs: new Map(
      Object.entries(map(search, "buildargs")).flatMap(([name, value]): [string, string][] =>
        typeof value === "string" ? [[name, value]] : [],
      ),
    ),
    labels: Object.fromEntries(Object.entries(map(search, "labels")).map(([name, value]) => [name, String(value)])),
    network: text("networkmode") === "default" || text("networkmode") === "bridge" ? "" : text("networkmode"),
    extraHosts: search
      .getAll("extrahosts")
      .flatMap((row) => row.split(","))
      .filter((row) => row !== ""),
    platform: text("platform"),
    target: text("target"),
    limits: {
      memoryBytes: number("memory"),
      memorySwapBytes: number("memswap"),
      cpuShares: number("cpushares"),
      cpuPeriodUs: number("cpuperiod"),
      cpuQuotaUs: number("cpuquota"),
      cpusetCpus: text("cpusetcpus"),
      cpusetMems: text("cpusetmems"),
      shmSizeBytes: number("shmsize"),
      cgroupParent: text("cgroupparent"),
      ulimits: ulimits(search),
    },
  };
}

/** Credentials of X-Registry-Config: base64url of a map from registry to credentials. What cannot be read is nobody. */
export function readRegistryConfig(header: string | undefined): (domain: string) => Credentials | undefined {
  const all = new Map<string, Credentials>();
  try {
    const value: unknown = JSON.parse(Buffer.from(header ?? "", "base64url").toString("utf8"));
    if (typeof value === "object" && value !== null)
      for (const [address, auth] of Object.entries(value)) {
        const credentials = readRegistryAuth(Buffer.from(JSON.stringify(auth)).toString("base64url"));
        const host = address.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
        all.set(host === "index.docker.io" ? "docker.io" : host, credentials);
      }
  } catch {
    // moby parity: undecodable credentials are none
  }
  return (domain) => all.get(domain);
}

function json(search: URLSearchParams, name: string): unknown {
  const text = search.get(name) ?? "";
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new EngineError("invalid", `error reading ${name}: it is no JSON: ${text.slice(0, 100)}`, { field: name });
  }
}

function map(search: URLSearchParams, name: string): Record<string, unknown> {
  const value = json(search, name) ?? {};
  if (typeof value !== "object" || Array.isArray(value))
    throw new EngineError("invalid", `error reading ${name}: it is no map`, { field: name });
  return value as Record<string, unknown>;
}

function texts(search: URLSearchParams, name: string): string[] {
  const value = json(search, name) ?? [];
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function ulimits(search: URLSearchParams): StepLimits["ulimits"] {
  const value = json(search, "ulimits") ?? [];
  if (!Array.isArray(value)) throw new EngineError("invalid", "error reading ulimit settings: it is no list");
  return value.map((row: { Name?: unknown; Soft?: unknown; Hard?: unknown }) => ({
    name: String(row.Name ?? ""),
    soft: Number(row.Soft ?? 0),
    hard: Number(row.Hard ?? 0),
  }));
}
