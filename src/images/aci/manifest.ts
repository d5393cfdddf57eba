import { EngineError, errorMessage } from "../../base/errors.ts";

/** The parts of an image manifest that mean something here: appc specification 0.8, "Image Manifest Schema". */
export interface AciManifest {
  readonly name: string;
  readonly labels: readonly Named[];
  readonly annotations: readonly Named[];
  readonly app: AciApp | undefined;
  readonly dependencies: readonly AciDependency[];
  readonly pathWhitelist: readonly string[];
}

interface Named {
  readonly name: string;
  readonly value: string;
}

export interface AciApp {
  readonly exec: readonly string[];
  readonly user: string;
  readonly group: string;
  readonly workingDirectory: string;
  readonly environment: readonly Named[];
  readonly mountPoints: readonly { readonly name: string; readonly path: string; readonly readOnly: boolean }[];
  readonly ports: readonly {
    readonly name: string;
    readonly protocol: string;
    readonly port: number;
    readonly count: number;
  }[];
  /** Names of what has no counterpart in an image here: it is kept, and told. */
  readonly unused: readonly string[];
}

export interface AciDependency {
  readonly imageName: string;
  readonly imageId: string;
  readonly labels: readonly Named[];
}

/** An AC identifier. */
const identifier = /^[a-z0-9]+([-._~/][a-z0-9]+)*$/;

/** Reads a manifest. Throws `invalid` for what is none. */
export function readAciManifest(bytes: Uint8Array): AciManifest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw bad(`it is not JSON: ${errorMessage(error)}`);
  }
  const manifest = object(value, "it");
  if (manifest["acKind"] !== "ImageManifest") throw bad(`its acKind is ${JSON.stringify(manifest["acKind"] ?? null)}`);
  if (typeof manifest["acVersion"] !== "string" || !/^\d+\.\d+\.\d+/.test(manifest["acVersion"]))
    throw bad("it has no acVersion");
  const name = text(manifest, "name");
  if (!identifier.test(name)) throw bad(`its name is ${JSON.stringify(name)}`);
  return {
    name,
    labels: named(manifest, "labels"),
    annotations: named(manifest, "annotations"),
    app:
      manifest["app"] === undefined || manifest["app"] === null ? undefined : readApp(object(manifest["app"], "app")),
    dependencies: list(manifest, "dependencies").map((item) => ({
      imageName: text(item, "imageName"),
      imageId: text(item, "imageID"),
      labels: named(item, "labels"),
    })),
    pathWhitelist: words(manifest, "pathWhitelist"),
  };
}

function readApp(app: Members): AciApp {
  const ports = list(app, "ports").map((item) => ({
    name: text(item, "name"),
    protocol: text(item, "protocol"),
    port: Number(item["port"]),
    count: Number(item["count"] ?? 1),
  }));
  for (const { port, protocol, count } of ports)
    if (
      !Number.isInteger(port) ||
      port < 1 ||
      !Number.isInteger(count) ||
      count < 1 ||
      port + count - 1 > 65_535 ||
      !/^[a-z]+$/.test(protocol)
    )
      throw bad(`its port ${port}/${protocol} is none`);
  const unused = ["isolators", "eventHandlers", "supplementaryGIDs", "userAnnotations", "userLabels"];
  return {
    ports,
    exec: words(app, "exec"),
    user: text(app, "user"),
    group: text(app, "group"),
    workingDirectory: text(app, "workingDirectory"),
    environment: named(app, "environment"),
    mountPoints: list(app, "mountPoints").map((item) => ({
      name: text(item, "name"),
      path: text(item, "path"),
      readOnly: item["readOnly"] === true,
    })),
    unused: unused.filter((key) => {
      const member = app[key];
      return Array.isArray(member) ? member.length > 0 : member !== undefined && member !== null;
    }),
  };
}

type Members = Record<string, unknown>;

const bad = (why: string): EngineError => new EngineError("invalid", `invalid ACI manifest: ${why}`);

function object(value: unknown, what: string): Members {
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw bad(`${what} is no object`);
  return value as Members;
}

function text(from: Members, key: string): string {
  const value = from[key] ?? "";
  if (typeof value !== "string") throw bad(`its ${key} is no text`);
  return value;
}

const maxItems = 10_000;

function list(from: Members, key: string): Members[] {
  const value = from[key] ?? [];
  if (!Array.isArray(value) || value.length > maxItems) throw bad(`its ${key} is no list`);
  return value.map((item) => object(item, `a member of its ${key}`));
}

const named = (from: Members, key: string): Named[] =>
  list(from, key).map((item) => ({ name: text(item, "name"), value: text(item, "value") }));

function words(from: Members, key: string): string[] {
  const value = from[key] ?? [];
  if (!Array.isArray(value) || value.length > maxItems || !value.every((item) => typeof item === "string"))
    throw bad(`its ${key} is no list of texts`);
  return value;
}
