import type { Grant } from "./auth/rights.ts";
import { defaultGraceMs } from "./books/links.ts";

/** All settings of a registry, as its parts take them. `config.ts` reads them from a file and flags. */
export interface RegistryOptions {
  /** Everything is below it. */
  readonly root: string;
  /** undefined: only the local socket. Port 0 takes a free one. */
  readonly listen: { readonly hostname: string; readonly port: number } | undefined;
  readonly tls: TlsOptions | undefined;
  /** As clients see it, behind a proxy: `https://registry.example.com`. */
  readonly externalUrl: string | undefined;
  readonly anonymous: readonly Grant[];
  /** What every user may do. */
  readonly users: readonly Grant[];
  /** Another password file than the root's. */
  readonly htpasswd: string | undefined;
  readonly storage: StorageOptions;
  readonly missingChildren: "refuse" | "accept";
  readonly collection: CollectionOptions;
  readonly remotes: readonly RemoteOptions[];
  readonly webhooks: readonly WebhookOptions[];
  readonly audit: { readonly pulls: boolean; readonly maxFileBytes: number; readonly maxFiles: number };
}

export interface TlsOptions {
  readonly certFile: string;
  readonly keyFile: string;
  /** Clients must show a certificate of this authority. */
  readonly clientCaFile: string | undefined;
}

export type StorageOptions =
  | { readonly driver: "filesystem" }
  | {
      readonly driver: "s3";
      readonly bucket: string;
      readonly endpoint: string | undefined;
      readonly region: string;
      readonly accessKeyId: string | undefined;
      readonly secretAccessKey: string | undefined;
      /** Before all keys; ends in a slash, or is empty. */
      readonly prefix: string;
    };

export interface CollectionOptions {
  /** How long what nobody refers to is kept: a client may still be on its way to refer to it. */
  readonly graceMs: number;
  /** 0: only when asked. */
  readonly everyMs: number;
  /** Manifests without a tag go too. */
  readonly untagged: boolean;
  /** Uploads that nobody wrote to for this long are given up. */
  readonly uploadIdleMs: number;
}

export interface RemoteOptions {
  /** `hub/`: repositories below it are those of the upstream; empty for all repositories. */
  readonly prefix: string;
  /** `docker.io`, `registry.example.com:5000` */
  readonly upstream: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The upstream may be spoken to without TLS. */
  readonly insecure: boolean;
  /** For this long the upstream is not asked where a tag points to. */
  readonly freshMs: number;
}

export interface WebhookOptions {
  readonly name: string;
  readonly url: string;
  /** Sent along: `Authorization` and the like. */
  readonly headers: Readonly<Record<string, string>>;
  readonly actions: readonly string[];
  /** Pattern of repositories. */
  readonly repositories: string;
  readonly timeoutMs: number;
}

const hourMs = 60 * 60 * 1000;

export const defaultOptions: Omit<RegistryOptions, "root"> = {
  listen: { hostname: "127.0.0.1", port: 5000 },
  tls: undefined,
  externalUrl: undefined,
  anonymous: [],
  users: [],
  htpasswd: undefined,
  storage: { driver: "filesystem" },
  missingChildren: "refuse",
  collection: { graceMs: defaultGraceMs, everyMs: 24 * hourMs, untagged: false, uploadIdleMs: 24 * hourMs },
  remotes: [],
  webhooks: [],
  audit: { pulls: false, maxFileBytes: 16 * 1024 * 1024, maxFiles: 8 },
};
