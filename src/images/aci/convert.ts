import { EngineError } from "../../base/errors.ts";
import type { OciImageConfig, OciRunConfig } from "../../spec/oci/image.ts";
import {
  familiarName,
  familiarReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../spec/reference.ts";
import type { AciApp, AciManifest } from "./manifest.ts";

/** Under this key the configuration of an image keeps the ACI manifest that it came with. */
export const aciKey = "io.berth.aci";

export interface KeptAci {
  /** `sha512-<hex>` of the plain archive: the image's id by the specification. */
  readonly id: string;
  readonly manifest: Readonly<Record<string, unknown>>;
}

/** Processors by the names of the appc specification, and by those of OCI. */
const processors: readonly (readonly [appc: string, architecture: string, variant?: string])[] = [
  ["amd64", "amd64"],
  ["i386", "386"],
  ["aarch64", "arm64"],
  ["armv7l", "arm", "v7"],
  ["armv6l", "arm", "v6"],
  ["ppc64le", "ppc64le"],
  ["s390x", "s390x"],
];

/** The configuration of an image by its ACI manifest. `below` are the layers it depends on. */
export function configOf(
  manifest: AciManifest,
  kept: KeptAci,
  layers: { readonly diffIds: readonly string[] },
): OciImageConfig {
  const label = (name: string): string | undefined => manifest.labels.find((one) => one.name === name)?.value;
  const note = (name: string): string | undefined => manifest.annotations.find((one) => one.name === name)?.value;
  const os = label("os") ?? "linux";
  const arch = label("arch") ?? "amd64";
  const [, architecture = arch, variant] = processors.find(([appc]) => appc === arch) ?? [];
  const created = note("created");
  const author = note("authors");
  const labels = {
    ...link("org.opencontainers.image.url", note("homepage")),
    ...link("org.opencontainers.image.documentation", note("documentation")),
  };
  return {
    ...(created !== undefined && !Number.isNaN(Date.parse(created)) && { created }),
    ...(author !== undefined && { author }),
    architecture,
    os,
    ...(variant !== undefined && { variant }),
    config: { ...runConfig(manifest.app), ...(Object.keys(labels).length > 0 && { Labels: labels }) },
    rootfs: { type: "layers", diff_ids: [...layers.diffIds] },
    history: layers.diffIds.map(() => ({ ...(created !== undefined && { created }), comment: "App Container Image" })),
    [aciKey]: kept,
  };
}

const link = (name: string, value: string | undefined): Record<string, string> =>
  value === undefined ? {} : { [name]: value };

function runConfig(app: AciApp | undefined): OciRunConfig {
  if (!app) return {};
  if (app.user.startsWith("/") || app.group.startsWith("/"))
    throw new EngineError(
      "invalid",
      `the ACI takes its user from the owner of ${app.user}: that is not supported, give it by name or number`,
    );
  const user = app.group === "" ? app.user : `${app.user}:${app.group}`;
  const ports = app.ports.flatMap(({ port, protocol, count }) =>
    Array.from({ length: count }, (_, index) => `${port + index}/${protocol}`),
  );
  return {
    ...(user !== "" && user !== ":" && { User: user }),
    // rkt appends the arguments of the command line to exec, as docker does to an entrypoint
    ...(app.exec.length > 0 && { Entrypoint: [...app.exec] }),
    ...(app.environment.length > 0 && { Env: app.environment.map(({ name, value }) => `${name}=${value}`) }),
    ...(app.workingDirectory !== "" && { WorkingDir: app.workingDirectory }),
    ...(ports.length > 0 && { ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])) }),
    ...(app.mountPoints.length > 0 && { Volumes: Object.fromEntries(app.mountPoints.map(({ path }) => [path, {}])) }),
  };
}

/** `example.com/app:1.0` for an ACI's name and version label; undefined where that is no reference here. */
export function referenceOf(name: string, version: string | undefined): string | undefined {
  const text = `${name.replaceAll("~", "_")}${version ? `:${version.replaceAll(/[^\w.-]/g, "_")}` : ""}`;
  try {
    return familiarReference(withDefaultTag(parseReference(text)));
  } catch {
    return undefined; // loaded under its id
  }
}

/** The manifest of an image that is saved as an ACI. What it had when it came as one is kept, where it still fits. */
export function aciManifest(image: { config: OciImageConfig; id: string }, reference: Reference | undefined): object {
  const { config } = image;
  const kept = (config[aciKey] as KeptAci | undefined)?.manifest ?? {};
  const run = config.config ?? {};
  const appc = processors.find(
    ([, architecture, variant]) =>
      architecture === config.architecture && (variant === undefined || variant === (config.variant ?? "v7")),
  );
  const version = reference?.tag;
  const name = reference
    ? identifierOf(`${familiarName(reference)}`)
    : typeof kept["name"] === "string"
      ? kept["name"]
      : identifierOf(`image/${image.id.slice("sha256:".length, 19)}`);
  const app = appOf(run, (kept["app"] ?? {}) as Record<string, unknown>);
  const annotations = (
    Array.isArray(kept["annotations"])
      ? kept["annotations"]
      : [
          ...(config.created ? [{ name: "created", value: config.created }] : []),
          ...(config.author ? [{ name: "authors", value: config.author }] : []),
        ]
  ) as unknown[];
  return {
    acKind: "ImageManifest",
    acVersion: "0.8.11",
    name,
    labels: [
      ...(version === undefined ? [] : [{ name: "version", value: version }]),
      { name: "os", value: config.os },
      { name: "arch", value: appc?.[0] ?? config.architecture },
    ],
    ...(app && { app }),
    ...(annotations.length > 0 && { annotations }),
  };
}

function appOf(run: OciRunConfig, kept: Record<string, unknown>): object | undefined {
  const exec = [...(run.Entrypoint ?? []), ...(run.Cmd ?? [])];
  if (exec.length === 0) return undefined;
  const [user = "", group = ""] = (run.User ?? "").split(":");
  const env = (run.Env ?? []).map((pair) => {
    const equals = pair.indexOf("=");
    return { name: pair.slice(0, equals < 0 ? undefined : equals), value: equals < 0 ? "" : pair.slice(equals + 1) };
  });
  const ports = Object.keys(run.ExposedPorts ?? {}).map((text) => {
    const [port = "", protocol = "tcp"] = text.split("/");
    return { name: `port-${port}-${protocol}`, protocol, port: Number(port), count: 1, socketActivated: false };
  });
  const mountPoints = Object.keys(run.Volumes ?? {}).map((path) => ({
    name: `volume-${path
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "-")
      .replaceAll(/^-|-$/g, "")}`,
    path,
    readOnly: false,
  }));
  const { isolators, eventHandlers, supplementaryGIDs } = kept;
  return {
    exec,
    user: user === "" ? "0" : user,
    group: group === "" ? "0" : group,
    ...(env.length > 0 && { environment: env }),
    ...(run.WorkingDir && { workingDirectory: run.WorkingDir }),
    ...(ports.length > 0 && { ports }),
    ...(mountPoints.length > 0 && { mountPoints }),
    ...Object.fromEntries(
      Object.entries({ isolators, eventHandlers, supplementaryGIDs }).filter(([, value]) => value !== undefined),
    ),
  };
}

/** The nearest AC identifier. */
const identifierOf = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9./~_-]/g, "-")
    .replaceAll(/([-._~/])[-._~/]+/g, "$1")
    .replaceAll(/^[-._~/]+|[-._~/]+$/g, "");
