import type { Network, NetworkCreate } from "./network.ts";
import type { FirewalledBridge } from "./publish/firewalled-bridge.ts";
import type { LinkCommand } from "./sandbox/commands.ts";
import type { KernelClient } from "./sandbox/kernel-client.ts";
import type { AttachedEndpoint } from "./sandbox/sandbox-row.ts";

/** A network with what the engine keeps besides. */
export interface KnownNetwork extends Network {
  /** Its subnets were given by the user, not chosen: only then a container may ask for an address. */
  readonly userSubnets: boolean;
  /** /64 for IPv6 ports of a network without IPv6; empty = not used. */
  readonly hiddenIpv6Subnet: string;
  /** Written before the kernel side exists; such a row found at a start is undone. */
  readonly pending: boolean;
  /** Made by the engine itself: cannot be created or removed. */
  readonly predefined: boolean;
}

export interface DriverContext {
  readonly kernel: KernelClient;
  readonly mtu: number;
  /** Whether another network needs the same thing of the host. */
  readonly shared?: (network: KnownNetwork) => boolean;
}

/** Where an endpoint is to be plugged in by a driver that does so itself. */
export interface Socket {
  readonly containerId: string;
  readonly containerName: string;
  readonly netnsPath: string;
}

/** How one kind of network works. Drivers hold no state: everything is in the network and the endpoint. */
export interface NetworkDriver {
  /** Whether containers get an interface and an address from the network's pools. */
  readonly addressed: boolean;
  /** Whether users may make networks of it. */
  readonly creatable: boolean;
  /** Whether containers' ports can be published on the host. */
  readonly publishes: boolean;
  /** Throws `invalid` for options it does not know or does not understand the value of. Changes nothing. */
  check(request: NetworkCreate): void;
  /** Makes the kernel's side as it shall be. Idempotent; what is there stays. `unavailable`: the kernel cannot, by name. */
  up(network: KnownNetwork, context: DriverContext): Promise<void>;
  /** Takes the kernel's side away. Idempotent; the caller has made sure that nobody is attached. */
  down(network: KnownNetwork, context: DriverContext): Promise<void>;
  /** The link of one endpoint; undefined = none is needed. `gateway`: it gets the default routes. Pure. */
  link(
    network: KnownNetwork,
    endpoint: AttachedEndpoint,
    options: { gateway: boolean; mtu: number },
  ): LinkCommand | undefined;
  /** What the firewall must know of it. Pure. */
  firewalled(network: KnownNetwork): FirewalledBridge | undefined;
  /** Of drivers that let others plug in (CNI). */
  readonly plugs?: EndpointPlugs;
}

/** What a driver does that lets other programs plug containers in. */
export interface EndpointPlugs {
  /** Plugs in and gives the endpoint as it came to be. What it did before it failed, it undoes. */
  plug(
    network: KnownNetwork,
    endpoint: AttachedEndpoint,
    socket: Socket,
    context: DriverContext,
  ): Promise<AttachedEndpoint>;
  /** Undoes plug, however far it came. Idempotent; the namespace may be gone. */
  unplug(network: KnownNetwork, endpoint: AttachedEndpoint, socket: Socket): Promise<void>;
  /** After a start of the engine: looks at what is plugged in, and lets go of what is not. Gives what is wrong. */
  look(
    network: KnownNetwork,
    attached: readonly { readonly endpoint: AttachedEndpoint; readonly socket: Socket }[],
  ): Promise<string[]>;
}
