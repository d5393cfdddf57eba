import { EngineError } from "../base/errors.ts";
import type { NamedContext } from "../build/frontend/build-plan.ts";
import { noLimits, type StepLimits } from "../build/step-runner.ts";

type Attributes = Readonly<Record<string, string>>;

/** What dockerfile.v0 is asked for, read from its attributes. */
export interface FrontendRequest {
  readonly fileName: string;
  /** The client's name for the folder of the Dockerfile, and of the context. */
  readonly dockerfileFolder: string;
  readonly contextFolder: string;
  /** Where the context comes from when it is no folder of the client's; empty = it is one. */
  readonly remoteContext: string;
  /** Named contexts that are files: the client's folders or addresses, by name. */
  readonly fileContexts: ReadonlyMap<string, { readonly kind: "local" | "remote"; readonly place: string }>;
  readonly namedContexts: ReadonlyMap<string, NamedContext>;
  readonly target: string;
  readonly platform: string;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly labels: Readonly<Record<string, string>>;
  readonly noCache: "all" | readonly string[];
  readonly network: "default" | "none" | "host";
  /** `host:address` */
  readonly extraHosts: readonly string[];
  readonly hostname: string;
  readonly limits: StepLimits;
  /** Registries are asked even for images that are here. */
  readonly pull: boolean;
  /** `frontend.lint`, `frontend.outline`, ...; empty = a build. */
  readonly subrequest: string;
}

/** Reads the attributes that buildx sends; moby/buildkit frontend/dockerui. Throws `invalid` that names the attribute. */
export function readAttributes(attributes: Attributes): FrontendRequest {
  const text = (key: string): string => attributes[key] ?? "";
  const platform = text("platform");
  if (platform.includes(","))
    throw new EngineError(
      "invalid",
      `this engine builds for one platform at a time: ${platform}: build them one after the other`,
    );
  const contextKey = text("contextkey") || "context";
  const remoteContext = text(contextKey);
  const contexts = readContexts(attributes);
  return {
    fileName: text("filename") || "Dockerfile",
    dockerfileFolder: text("dockerfilekey") || "dockerfile",
    contextFolder: contextKey,
    remoteContext,
    ...contexts,
    target: text("target"),
    platform,
    buildArgs: new Map(withPrefix(attributes, "build-arg:")),
    labels: Object.fromEntries(withPrefix(attributes, "label:")),
    noCache: !("no-cache" in attributes) ? [] : text("no-cache") === "" ? "all" : text("no-cache").split(","),
    network: readNetwork(text("force-network-mode")),
    extraHosts: text("add-hosts")
      .split(",")
      .filter((entry) => entry !== "")
      .map((entry) => entry.replace("=", ":")),
    hostname: text("hostname"),
    limits: readLimits(attributes),
    pull: text("image-resolve-mode") === "pull",
    subrequest: text("requestid"),
  };
}

const withPrefix = (attributes: Attributes, prefix: string): [string, string][] =>
  Object.entries(attributes)
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => [key.slice(prefix.length), value]);

function readContexts(attributes: Attributes): Pick<FrontendRequest, "fileContexts" | "namedContexts"> {
  const fileContexts = new Map<string, { kind: "local" | "remote"; place: string }>();
  const namedContexts = new Map<string, NamedContext>();
  for (const [written, value] of withPrefix(attributes, "context:")) {
    const name = (written.split("::")[0] ?? "").toLowerCase();
    const scheme = value.slice(0, Math.max(0, value.indexOf(":")));
    switch (scheme) {
      case "docker-image":
        namedContexts.set(name, { kind: "image", reference: value.replace(/^docker-image:(\/\/)?/, "") });
        break;
      case "local":
        fileContexts.set(name, { kind: "local", place: value.slice("local:".length) });
        namedContexts.set(name, { kind: "files" });
        break;
      case "http":
      case "https":
      case "git":
      case "ssh":
        fileContexts.set(name, { kind: "remote", place: value });
        namedContexts.set(name, { kind: "files" });
        break;
      default:
        throw new EngineError("invalid", `unsupported context source ${scheme || value} for ${name}`);
    }
  }
  return { fileContexts, namedContexts };
}

function readNetwork(text: string): FrontendRequest["network"] {
  switch (text) {
    case "":
    case "sandbox":
    case "default":
      return "default";
    case "none":
    case "host":
      return text;
    default:
      throw new EngineError("invalid", `unknown network mode ${JSON.stringify(text)} for a build`);
  }
}

function readLimits(attributes: Attributes): StepLimits {
  const number = (key: string): number => {
    const text = attributes[key] ?? "";
    if (text === "") return 0;
    const value = Number(text);
    if (!Number.isSafeInteger(value))
      throw new EngineError("invalid", `failed to parse ${key}: ${JSON.stringify(text)}`);
    return value;
  };
  return {
    ...noLimits,
    memoryBytes: number("memory"),
    memorySwapBytes: number("memswap"),
    cpuShares: number("cpushares"),
    cpuPeriodUs: number("cpuperiod"),
    cpuQuotaUs: number("cpuquota"),
    cpusetCpus: attributes["cpusetcpus"] ?? "",
    cpusetMems: attributes["cpusetmems"] ?? "",
    shmSizeBytes: number("shm-size"),
    cgroupParent: attributes["cgroup-parent"] ?? "",
    ulimits: (attributes["ulimit"] ?? "")
      .split(",")
      .filter((entry) => entry !== "")
      .map(readUlimit),
  };
}

function readUlimit(text: string): StepLimits["ulimits"][number] {
  const found = /^(\w+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
  if (!found) throw new EngineError("invalid", `failed to parse ulimit: ${JSON.stringify(text)}`);
  const [, name = "", soft = "0", hard = soft] = found;
  return { name, soft: Number(soft), hard: Number(hard) };
}
