import type { Caller } from "../spec/caller.ts";

export type Protocol = "tcp" | "udp" | "sctp";

/** A network that containers attach to. */
export interface Network {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  readonly createdAtNs: bigint;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIpv4: boolean;
  readonly enableIpv6: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly ipam: {
    readonly driver: string;
    readonly options: Readonly<Record<string, string>>;
    readonly pools: readonly Pool[];
  };
}

export interface Pool {
  /** CIDR. */
  readonly subnet: string;
  readonly gateway: string;
  readonly ipRange?: string;
  readonly auxAddresses?: Readonly<Record<string, string>>;
}

/** What a container wants of one network. */
export interface Attachment {
  /** Name or id; `default` has been resolved to `bridge`. */
  readonly network: string;
  readonly aliases: readonly string[];
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly mac?: string;
  readonly driverOptions: Readonly<Record<string, string>>;
  readonly gatewayPriority?: number;
  /** `container:alias`: names that only this container knows. */
  readonly links?: readonly string[];
  /** Further addresses of the interface, IPv4 169.254.0.0/16 or IPv6 fe80::/10. */
  readonly linkLocalIps?: readonly string[];
}

/** A port of the container to be reached at the host. Port ranges are expanded: one row per container port. */
export interface PortRequest {
  readonly containerPort: number;
  readonly protocol: Protocol;
  /** Empty = all addresses (IPv4 and IPv6). */
  readonly hostIp: string;
  /** 0 = any free port. `[first, last]` = the first free one of a range. */
  readonly hostPort: number | readonly [number, number];
}

/** A port as it is published. */
export interface PublishedPort {
  readonly containerPort: number;
  readonly protocol: Protocol;
  readonly hostIp: string;
  readonly hostPort: number;
}

/** Everything the networks feature needs to connect one container. Plain data, kept in the container's row. */
export interface SandboxPlan {
  readonly containerId: string;
  /** For messages, events and names: without the leading slash. */
  readonly containerName: string;
  /** `container:` networks share another container's namespace: then `sharedWith` is its id. */
  readonly mode: "bridge" | "none" | "host" | "container" | "networks";
  readonly sharedWith?: string;
  readonly attachments: readonly Attachment[];
  readonly ports: readonly PortRequest[];
  readonly sysctls: Readonly<Record<string, string>>;
  /** The container's own host name: a name in DNS, too. */
  readonly hostname?: string;
  /** Servers of `--dns`; none = the host's. */
  readonly nameservers?: readonly string[];
  /** Bits a second; 0 or nothing = as fast as it goes. */
  readonly rate?: { readonly inBps: number; readonly outBps: number };
  /** Subnets and names (`name`, `*.name`) that may be reached outside; nothing = everything. */
  readonly egress?: readonly string[];
}

/** One attachment as it is. */
export interface Endpoint {
  readonly id: string;
  readonly networkId: string;
  readonly networkName: string;
  readonly interfaceName: string;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv4PrefixLength: number;
  readonly ipv4Gateway: string;
  readonly ipv6: string;
  readonly ipv6PrefixLength: number;
  readonly ipv6Gateway: string;
  readonly aliases: readonly string[];
  readonly dnsNames: readonly string[];
}

/** A container's network namespace as it is. Kept in the container's state, answered by inspect. */
export interface Sandbox {
  readonly id: string;
  /** Path of the namespace, for the OCI spec; empty for host mode. */
  readonly netnsPath: string;
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly PublishedPort[];
  /** Nameservers for resolv.conf that the network gives; empty = the host's. */
  readonly nameservers: readonly string[];
}

export interface NetworkCreate {
  readonly name: string;
  readonly driver: string;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIpv4: boolean;
  readonly enableIpv6: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly pools: readonly Partial<Pool>[];
  readonly ipamDriver: string;
  readonly ipamOptions: Readonly<Record<string, string>>;
  readonly caller: Caller;
}

/** What containers and the API need of networks. Reads answer from memory. */
export interface Networks {
  /**
   * Makes the namespace, attaches every network and publishes the ports; all or nothing. Safe to repeat: what is
   * left of an earlier try with the same container id is removed first. Docker's texts for ports taken, unknown
   * networks, addresses in use.
   */
  open(plan: SandboxPlan, options: { caller: Caller; signal?: AbortSignal }): Promise<Sandbox>;
  /** Undoes open. Idempotent. */
  close(containerId: string, options: { caller: Caller }): Promise<void>;
  /**
   * Compares the kernel with what should be: `live` sandboxes stay (missing rules are put back), others are removed.
   * Gives those that are not as they were: a connect or disconnect was cut and is undone.
   */
  restore(live: ReadonlyMap<string, Sandbox>): Promise<ReadonlyMap<string, Sandbox>>;
  list(): readonly Network[];
  /** By full id, exact name, id prefix. not-found `network x not found`. */
  get(reference: string): Network;
  create(request: NetworkCreate): Promise<{ id: string; warning: string }>;
  remove(reference: string, options: { caller: Caller }): Promise<void>;
  prune(options: { keep: (network: Network) => boolean; caller: Caller }): Promise<string[]>;
  /** Endpoints on a network, by container id. */
  endpoints(networkId: string): ReadonlyMap<string, Endpoint & { containerName: string }>;
  /** What can be told of an attachment before it is made. Throws Docker's texts. */
  check(attachment: Attachment): void;
  /** Live attach and detach of a running container; give the sandbox as it is then. */
  connect(sandbox: Sandbox, plan: SandboxPlan, attachment: Attachment, options: { caller: Caller }): Promise<Sandbox>;
  disconnect(sandbox: Sandbox, plan: SandboxPlan, networkId: string, options: { caller: Caller }): Promise<Sandbox>;
  /** A running container was renamed: names in DNS follow. */
  rename(containerId: string, name: string): void;
  shutdown(): Promise<void>;
}
