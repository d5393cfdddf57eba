import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { program } from "./daemon.ts";
import { type Result, run, type RunOptions, until } from "./run.ts";

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:43210`, the same after start() again. */
  readonly address: string;
  /** `http://127.0.0.1:43210`, or https with TLS. */
  readonly url: string;
  readonly folder: string;
  readonly root: string;
  pid(): number;
  log(): Promise<string>;
  /** One request; the path begins with a slash. */
  request(method: string, path: string, init?: RequestInit): Promise<Response>;
  /** Uploads a blob in one request, gives its digest. */
  pushBlob(repository: string, content: string | Uint8Array): Promise<string>;
  /** Puts a manifest, gives its digest. */
  pushManifest(repository: string, reference: string, manifest: object): Promise<string>;
  /** Makes and pushes the smallest image: a config and one layer of `content`. Gives its manifest's digest. */
  pushImage(repository: string, tag: string, content: string): Promise<string>;
  /** `berth registry ...` against the local socket of this registry. */
  berth(args: readonly string[], options?: RunOptions): Promise<Result>;
  start(env?: Record<string, string>): Promise<void>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export interface RegistryTestOptions {
  /** `pull,push,delete` when neither this nor a config is given. */
  readonly anonymous?: string;
  /** The settings file, YAML. */
  readonly config?: string;
  /** Or its name in the folder, where `prepare` wrote it. */
  readonly settingsFile?: string;
  readonly env?: Record<string, string>;
  /** Where the root is made; a folder below /tmp otherwise. */
  readonly root?: string;
  readonly scheme?: "http" | "https";
  /** What must be so before the registry starts. */
  readonly prepare?: (folder: string) => void | Promise<void>;
}

/** Starts a registry of its own (`berth registry serve`) on a free port. */
export async function startRegistry(options: RegistryTestOptions = {}): Promise<TestRegistry> {
  const folder = await mkdtemp("/tmp/berth-r-");
  const root = options.root ?? join(folder, "root");
  const scheme = options.scheme ?? "http";
  await options.prepare?.(folder);
  const settings = join(folder, options.settingsFile ?? "config.yaml");
  const hasSettings = options.config !== undefined || options.settingsFile !== undefined;
  if (options.config !== undefined && options.settingsFile === undefined) await writeFile(settings, options.config);
  const anonymous = options.anonymous ?? (!hasSettings ? "pull,push,delete" : undefined);
  let address = "127.0.0.1:0";
  let starts = 0;
  let child: Bun.Subprocess | undefined;
  const logs = async (): Promise<string> =>
    (
      await Promise.all(
        Array.from({ length: starts }, (_, index) => readFile(join(folder, `log.${index + 1}`), "utf8")),
      )
    ).join("");

  const registry: TestRegistry = {
    get address() {
      return address;
    },
    get url() {
      return `${scheme}://${address}`;
    },
    folder,
    root,
    pid: () => child?.pid ?? 0,
    log: logs,
    request: (method, path, init) =>
      fetch(`${scheme}://${address}${path}`, {
        method,
        redirect: "manual",
        tls: { rejectUnauthorized: false },
        ...init,
      }),
    async pushBlob(repository, content) {
      const digest = digestOf(content);
      const answer = await registry.request("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, {
        body: content as BodyInit,
        headers: { "Content-Type": "application/octet-stream" },
      });
      if (answer.status !== 201) throw new Error(`blob of ${repository}: ${answer.status} ${await answer.text()}`);
      return digest;
    },
    async pushManifest(repository, reference, manifest) {
      const { mediaType } = manifest as { mediaType?: string };
      const answer = await registry.request("PUT", `/v2/${repository}/manifests/${reference}`, {
        body: JSON.stringify(manifest),
        headers: { "Content-Type": mediaType ?? "application/vnd.oci.image.manifest.v1+json" },
      });
      if (answer.status !== 201) throw new Error(`manifest of ${repository}: ${answer.status} ${await answer.text()}`);
      return answer.headers.get("docker-content-digest") ?? "";
    },
    async pushImage(repository, tag, content) {
      const config = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } });
      await registry.pushBlob(repository, config);
      await registry.pushBlob(repository, content);
      return registry.pushManifest(repository, tag, imageOf(config, [content]));
    },
    berth: (args, more) => run([...program, "registry", ...args, "--root", root], more),
    async start(env = {}) {
      starts += 1;
      const log = join(folder, `log.${starts}`);
      const args = ["registry", "serve", "--listen", address, "--root", root];
      if (anonymous !== undefined) args.push("--anonymous", anonymous);
      if (hasSettings) args.push("--config", settings);
      const started = Bun.spawn([...program, ...args], {
        stdin: "ignore",
        stdout: "ignore",
        stderr: Bun.file(log),
        env: { ...process.env, ...options.env, ...env },
      });
      child = started;
      address = await until("the registry serves", async () => {
        const text = await readFile(log, "utf8").catch(() => ""); // not made yet
        if (started.exitCode !== null || started.signalCode !== null) throw new Error(`the registry ended: ${text}`);
        return /"msg":"the registry serves","address":"([^"]+)"/.exec(text)?.[1];
      });
    },
    async kill() {
      child?.kill("SIGKILL");
      await child?.exited;
    },
    async stop() {
      child?.kill("SIGTERM");
      await child?.exited;
    },
    async [Symbol.asyncDispose]() {
      await registry.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await registry.start();
  } catch (error) {
    await registry.kill();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return registry;
}

export const digestOf = (content: string | Uint8Array, algorithm: "sha256" | "sha512" = "sha256"): string =>
  `${algorithm}:${new Bun.CryptoHasher(algorithm).update(content).digest("hex")}`;

/** The descriptor of a blob. */
export const describe = (content: string | Uint8Array, mediaType: string) => ({
  mediaType,
  digest: digestOf(content),
  size: Buffer.byteLength(content),
});

/** An OCI image manifest of blobs that are pushed already. */
export const imageOf = (config: string, layers: readonly (string | Uint8Array)[], more: object = {}) => ({
  schemaVersion: 2,
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  config: describe(config, "application/vnd.oci.image.config.v1+json"),
  layers: layers.map((layer) => describe(layer, "application/vnd.oci.image.layer.v1.tar+gzip")),
  ...more,
});
