import type { MapElement } from "../../kernel/nft/elements.ts";
import type { Protocol } from "../network.ts";

/** What the main thread asks of the kernel Worker. Plain data: it is cloned between the threads. */
export type Command =
  | { readonly op: "open"; readonly sandbox: SandboxCommand }
  | { readonly op: "close"; readonly path: string; readonly publish: PublishCommand }
  | { readonly op: "change"; readonly change: ChangeCommand }
  | { readonly op: "hold"; readonly publish: PublishCommand }
  | { readonly op: "bridge-up"; readonly bridge: BridgeCommand }
  | { readonly op: "bridge-down"; readonly name: string }
  | { readonly op: "survey" }
  | {
      readonly op: "sweep";
      readonly directory: string;
      readonly keep: readonly string[];
      readonly bridges: readonly string[];
    }
  | { readonly op: "holder"; readonly port: PortHold }
  | { readonly op: "watch"; readonly intervalMs: number }
  | { readonly op: "end" }
  | { readonly op: "installed"; readonly table: string };

export interface SandboxCommand {
  /** Where the namespace is pinned. */
  readonly path: string;
  readonly links: readonly LinkCommand[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly publish: PublishCommand;
}

/** One veth pair into a bridge. */
export interface LinkCommand {
  readonly hostName: string;
  readonly bridge: string;
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly isolated: boolean;
  /** `address/length`. IPv6 is switched off on the link when there is none of its addresses. */
  readonly addresses: readonly string[];
  /** Default routes by this link. */
  readonly gateways: readonly string[];
}

/** Ports to hold and elements to add (or, in close, to release and remove). */
export interface PublishCommand {
  readonly table: string;
  readonly holds: readonly PortHold[];
  readonly elements: readonly MapElement[];
}

export interface PortHold {
  readonly protocol: Protocol;
  /** Empty = all addresses of both families. */
  readonly hostIp: string;
  readonly port: number;
}

/** A running sandbox changed: links added and removed, default routes moved, ports moved. */
export interface ChangeCommand {
  readonly path: string;
  readonly add: readonly LinkCommand[];
  /** Names inside. */
  readonly remove: readonly string[];
  readonly gateways: readonly { readonly name: string; readonly gateway: string }[];
  readonly unpublish: PublishCommand;
  readonly publish: PublishCommand;
}

export interface BridgeCommand {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly string[];
}

/** The host's networks: destinations and links that a new pool must keep away from. */
export interface Survey {
  readonly taken: readonly { readonly cidr: string; readonly link: string }[];
  readonly links: readonly string[];
}

export type Request = { readonly id: number; readonly command: Command; readonly faults: string };
export type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: Failure }
  | { readonly event: "rules-lost" };

export interface Failure {
  readonly message: string;
  /** errno name, or `sysctl`: a setting of the container was refused. */
  readonly code: string;
  /** The hold that could not be had. */
  readonly hold?: PortHold;
}
