import { readFile } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { parse } from "yaml";
import { EngineError, errorMessage } from "../base/errors.ts";
import { type Grant, parseActions } from "./auth/rights.ts";
import { ConfigReader } from "./config-reader.ts";
import {
  defaultOptions,
  type RegistryOptions,
  type RemoteOptions,
  type StorageOptions,
  type TlsOptions,
  type WebhookOptions,
} from "./options.ts";
import { isPattern } from "./pattern.ts";

/** The flags of `registry serve`; `src/cli/registry/serve.ts` tells of the same ones. */
export const serveFlags = {
  listen: { type: "string" },
  root: { type: "string" },
  anonymous: { type: "string" },
  config: { type: "string" },
} as const;

export const defaultRoot = "/var/lib/berth/registry";

export interface ServeFlags {
  readonly listen?: string | undefined;
  readonly root?: string | undefined;
  readonly anonymous?: string | undefined;
  readonly config?: string | undefined;
}

/** The settings from the file, with flags over them. Throws `invalid` naming the key. */
export async function readOptions(flags: ServeFlags): Promise<RegistryOptions> {
  const file = flags.config === undefined ? {} : await readConfigFile(flags.config);
  const options = fromFile(new ConfigReader(file, flags.config ?? ""));
  const root = flags.root ?? options.root;
  if (!isAbsolute(root)) throw invalid(`--root must be an absolute path: ${JSON.stringify(root)}`);
  return {
    ...options,
    root,
    ...(flags.listen !== undefined && { listen: parseListen(flags.listen) }),
    ...(flags.anonymous !== undefined && { anonymous: anonymousGrants(flags.anonymous) }),
  };
}

async function readConfigFile(path: string): Promise<unknown> {
  try {
    return parse(await readFile(path, "utf8")) as unknown;
  } catch (cause) {
    throw new EngineError("invalid", `${path} cannot be read: ${errorMessage(cause)}`, {}, { cause });
  }
}

function fromFile(reader: ConfigReader): RegistryOptions {
  const { collection, audit } = defaultOptions;
  const gc = reader.section("gc");
  const log = reader.section("audit");
  const listen = reader.text("listen");
  const options: RegistryOptions = {
    root: reader.text("root") ?? defaultRoot,
    listen: listen === undefined ? defaultOptions.listen : parseListen(listen),
    tls: reader.has("tls") ? readTls(reader.section("tls")) : undefined,
    externalUrl: reader.url("external-url"),
    anonymous: reader.list("anonymous", readGrant),
    users: reader.list("users", readGrant),
    htpasswd: reader.text("htpasswd"),
    storage: reader.has("storage") ? readStorage(reader.section("storage")) : defaultOptions.storage,
    missingChildren: reader.oneOf("missing-children", ["refuse", "accept"]) ?? defaultOptions.missingChildren,
    collection: {
      graceMs: gc.duration("grace") ?? collection.graceMs,
      everyMs: gc.duration("every") ?? collection.everyMs,
      untagged: gc.toggle("untagged") ?? collection.untagged,
      uploadIdleMs: gc.duration("uploads") ?? collection.uploadIdleMs,
    },
    remotes: reader.list("remotes", readRemote),
    webhooks: reader.list("webhooks", readWebhook),
    audit: {
      pulls: log.toggle("pulls") ?? audit.pulls,
      maxFileBytes: log.bytes("max-size") ?? audit.maxFileBytes,
      maxFiles: log.whole("max-files") ?? audit.maxFiles,
    },
  };
  for (const each of [gc, log, reader]) each.end();
  return options;
}

function readTls(reader: ConfigReader): TlsOptions {
  const tls = {
    certFile: reader.need("cert"),
    keyFile: reader.need("key"),
    clientCaFile: reader.text("client-ca"),
  };
  reader.end();
  return tls;
}

function readStorage(reader: ConfigReader): StorageOptions {
  const driver = reader.oneOf("driver", ["filesystem", "s3"]) ?? "filesystem";
  const prefix = reader.text("prefix") ?? "";
  const storage: StorageOptions =
    driver === "filesystem"
      ? { driver }
      : {
          driver,
          bucket: reader.need("bucket"),
          endpoint: reader.url("endpoint"),
          region: reader.text("region") ?? "us-east-1",
          accessKeyId: reader.text("access-key"),
          secretAccessKey: reader.secret("secret-key"),
          prefix: prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`,
        };
  reader.end();
  return storage;
}

function readGrant(reader: ConfigReader): Grant {
  const pattern = reader.text("repositories") ?? "**";
  if (!isPattern(pattern)) throw reader.bad("repositories", `${JSON.stringify(pattern)} is no pattern`);
  const grant = { pattern, actions: reader.words("actions") };
  reader.end();
  const actions = parseActions(grant.actions.join(","));
  if (actions === undefined) throw reader.bad("actions", "pull, push and delete are the actions");
  return { pattern, actions };
}

function readRemote(reader: ConfigReader): RemoteOptions {
  const prefix = reader.text("prefix") ?? "";
  const remote = {
    prefix: prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`,
    upstream: reader.need("upstream"),
    username: reader.text("username"),
    password: reader.secret("password"),
    insecure: reader.toggle("insecure") ?? false,
    freshMs: reader.duration("fresh") ?? 60_000,
  };
  reader.end();
  return remote;
}

function readWebhook(reader: ConfigReader): WebhookOptions {
  const url = reader.url("url");
  if (url === undefined) throw reader.bad("url", "it is missing");
  const webhook = {
    name: reader.text("name") ?? new URL(url).host,
    url,
    headers: reader.texts("headers"),
    actions: reader.has("actions") ? reader.words("actions") : ["push", "delete"],
    repositories: reader.text("repositories") ?? "**",
    timeoutMs: reader.duration("timeout") ?? 5000,
  };
  reader.end();
  return webhook;
}

/** `127.0.0.1:5000`, `:5000`, `[::1]:5000` */
export function parseListen(text: string): { hostname: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:]+)\]|([\w.-]*)):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65535)
    throw invalid(`invalid address ${JSON.stringify(text)}: want HOST:PORT, as 127.0.0.1:5000 or :5000`);
  return { hostname: bracketed ?? (plain === "" || plain === undefined ? "0.0.0.0" : plain), port: Number(port) };
}

function anonymousGrants(text: string): Grant[] {
  if (text === "") return [];
  const actions = parseActions(text);
  if (actions === undefined)
    throw invalid(`invalid value ${JSON.stringify(text)} for --anonymous: pull, push and delete, comma separated`);
  return [{ pattern: "**", actions }];
}

const invalid = (text: string): EngineError => new EngineError("invalid", text);
