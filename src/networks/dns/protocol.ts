/**
 * What the daemon tells the resolver process: JSON lines over `<exec-root>/dns/control.sock`, each answered by
 * `{n}` or `{n, error}`.
 */
export type ResolverRequest = { readonly n: number } & (
  | { readonly op: "hello" }
  /** Everything there is: what is not in it is dropped. */
  | { readonly op: "sync"; readonly boxes: readonly Box[] }
  /** One sandbox as it is now. Answered when its names resolve. */
  | { readonly op: "put"; readonly box: Box }
  | { readonly op: "drop"; readonly id: string }
  /** Ends the process: a newer one takes its place. */
  | { readonly op: "end" }
);

export interface ResolverAnswer {
  readonly n: number;
  readonly error?: string;
  /** Of a sync: boxes whose sockets could not be opened, and why. */
  readonly failed?: Readonly<Record<string, string>>;
  /** Of hello: what this process is. */
  readonly version?: number;
}

/** Raised when an old resolver could not follow a new daemon: the daemon then replaces it. */
export const resolverVersion = 1;

/** One container's namespace as the resolver needs it. */
export interface Box {
  /** Of the container. */
  readonly id: string;
  /** Path of its namespace. */
  readonly netnsPath: string;
  /** In the order in which names are looked up. */
  readonly places: readonly Place[];
  /** False: nothing is ever asked outside (only internal networks). */
  readonly forwards: boolean;
  /** Servers of `--dns`, asked from inside the namespace. Empty = the host's, asked by the host. */
  readonly servers: readonly string[];
  /** Names whose addresses may be reached from a namespace with egress rules: `name` or `*.name`, in lower case. */
  readonly egressNames: readonly string[];
}

/** A container on one network. */
export interface Place {
  readonly networkId: string;
  readonly networkName: string;
  readonly names: readonly string[];
  readonly ipv4: string;
  readonly ipv6: string;
  /** `address/length`: addresses in here that nobody has are not asked for outside. */
  readonly subnets: readonly string[];
  /** Names that only this container knows: alias and the name (or id) of another one on this network. */
  readonly links: Readonly<Record<string, string>>;
}

export const resolverPaths = (execRoot: string): { folder: string; lock: string; control: string; log: string } => ({
  folder: `${execRoot}/dns`,
  lock: `${execRoot}/dns/lock`,
  control: `${execRoot}/dns/control.sock`,
  log: `${execRoot}/dns/log`,
});

/** Where containers ask. */
export const resolverAddress = "127.0.0.11";
