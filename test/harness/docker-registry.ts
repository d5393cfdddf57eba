import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "./run.ts";

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly folder: string;
  /** Where its blobs lie. */
  readonly root: string;
}

export interface TestRegistryOptions {
  /** User and password; with them everything needs basic authentication. */
  readonly user?: { readonly name: string; readonly password: string };
  /** Files of a certificate and its key; with them it speaks TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly clientCa?: string };
  /** A token server: its address, the service it serves, and the file of the certificate that signs. */
  readonly token?: {
    readonly realm: string;
    readonly service: string;
    readonly issuer: string;
    readonly bundle: string;
  };
}

/** Debian's docker-registry with a folder of its own, at a free port of the loopback. */
export async function startDockerRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const folder = await mkdtemp("/tmp/berth-reg-");
  const root = join(folder, "root");
  const { user, tls, token } = options;
  const config = {
    version: 0.1,
    log: { level: "info", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
    http: {
      addr: "127.0.0.1:0",
      secret: "test",
      ...(tls && {
        tls: { certificate: tls.certificate, key: tls.key, ...(tls.clientCa && { clientcas: [tls.clientCa] }) },
      }),
    },
    ...(user && { auth: { htpasswd: { realm: "test", path: join(folder, "htpasswd") } } }),
    ...(token && {
      auth: {
        token: { realm: token.realm, service: token.service, issuer: token.issuer, rootcertbundle: token.bundle },
      },
    }),
  };
  if (user) {
    const hash = await Bun.password.hash(user.password, { algorithm: "bcrypt", cost: 4 });
    await writeFile(join(folder, "htpasswd"), `${user.name}:${hash}\n`);
  }
  await writeFile(join(folder, "config.yml"), JSON.stringify(config)); // YAML's own subset
  const child = Bun.spawn(["docker-registry", "serve", join(folder, "config.yml")], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    env: { PATH: process.env["PATH"] ?? "" },
  });
  let log = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const piece of child.stderr) log = (log + decoder.decode(piece)).slice(-64 * 1024);
  })();
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
    await reading;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const host = await until("docker-registry listens", () => {
      if (child.exitCode !== null) throw new Error(`docker-registry ended: ${log}`);
      return /listening on (127\.0\.0\.1:\d+)/.exec(log)?.[1];
    });
    return { host, folder, root, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
