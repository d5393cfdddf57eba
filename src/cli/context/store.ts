import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ExitError } from "../exit-error.ts";

/** A context as docker keeps it: `contexts/meta/<sha256 of the name>/meta.json`. */
export interface StoredContext {
  readonly Name: string;
  readonly Metadata: { readonly Description?: string; readonly [other: string]: unknown };
  readonly Endpoints: { readonly docker?: DockerEndpoint; readonly [other: string]: unknown };
}

export interface DockerEndpoint {
  readonly Host: string;
  readonly SkipTLSVerify: boolean;
}

/** PEM files of an endpoint by name: `ca.pem`, `cert.pem`, `key.pem`. */
export type TlsMaterial = Readonly<Record<string, string>>;

const validName = /^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/;

/** Throws docker's text for a name that no context can have. */
export function checkContextName(name: string): void {
  if (name === "default") throw new ExitError(1, '"default" is a reserved context name');
  if (!validName.test(name))
    throw new ExitError(
      1,
      `context name "${name}" is invalid, names are validated against regexp "^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$"`,
    );
}

/** docker's context store below the folder of config.json. */
export class ContextStore {
  readonly #root: string;

  constructor(configDir: string) {
    this.#root = join(configDir, "contexts");
  }

  /** All contexts but the default one, by name. Those that cannot be read are left out. */
  list(): StoredContext[] {
    const folder = join(this.#root, "meta");
    const names = existsSync(folder) ? readdirSync(folder) : [];
    return names
      .flatMap((name) => {
        const found = readMeta(join(folder, name, "meta.json"));
        return found instanceof Error ? [] : [found];
      })
      .sort((a, b) => a.Name.localeCompare(b.Name, "en", { numeric: true }));
  }

  has(name: string): boolean {
    return existsSync(join(this.metadataPath(name), "meta.json"));
  }

  /** Throws docker's text when it is not there. */
  read(name: string): StoredContext {
    const path = join(this.metadataPath(name), "meta.json");
    const found = readMeta(path);
    if (!(found instanceof Error)) return found;
    const why = existsSync(path) ? found.message : `open ${path}: no such file or directory`;
    throw new ExitError(1, `context "${name}": context not found: ${why}`);
  }

  /** The endpoint's PEM files. */
  tls(name: string): TlsMaterial {
    const folder = join(this.tlsPath(name), "docker");
    if (!existsSync(folder)) return {};
    return Object.fromEntries(
      readdirSync(folder)
        .sort()
        .map((file) => [file, readFileSync(join(folder, file), "utf8")]),
    );
  }

  /** Writes a context; `tls` replaces the PEM files, undefined leaves them. */
  write(context: StoredContext, tls?: TlsMaterial): void {
    if (tls !== undefined) {
      rmSync(this.tlsPath(context.Name), { recursive: true, force: true });
      const folder = join(this.tlsPath(context.Name), "docker");
      if (Object.keys(tls).length > 0) mkdirSync(folder, { recursive: true, mode: 0o700 });
      for (const [file, text] of Object.entries(tls)) writeFileSync(join(folder, file), text, { mode: 0o600 });
    }
    const folder = this.metadataPath(context.Name);
    mkdirSync(folder, { recursive: true });
    const draft = join(folder, `.meta.json.${process.pid}`);
    writeFileSync(draft, JSON.stringify(context));
    chmodSync(draft, 0o644);
    renameSync(draft, join(folder, "meta.json"));
  }

  remove(name: string): void {
    rmSync(this.metadataPath(name), { recursive: true, force: true });
    rmSync(this.tlsPath(name), { recursive: true, force: true });
  }

  metadataPath(name: string): string {
    return join(this.#root, "meta", digest(name));
  }

  tlsPath(name: string): string {
    return join(this.#root, "tls", digest(name));
  }
}

const digest = (name: string): string => new Bun.CryptoHasher("sha256").update(name).digest("hex");

/** Reads a meta.json text. Throws for what is none. */
export function parseContext(text: string): StoredContext {
  const value: unknown = JSON.parse(text);
  if (value === null || typeof value !== "object") throw new Error("it is no JSON object");
  const { Name = "", Metadata, Endpoints } = value as Partial<StoredContext>;
  return { Name, Metadata: Metadata ?? {}, Endpoints: Endpoints ?? {} };
}

function readMeta(path: string): StoredContext | Error {
  try {
    return parseContext(readFileSync(path, "utf8"));
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
