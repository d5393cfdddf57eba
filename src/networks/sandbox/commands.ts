import type { ErrorKind } from "../../base/errors.ts";
import type { ChildKind } from "../../kernel/netlink/child-link.ts";
import type { MapElement } from "../../kernel/nft/elements.ts";
import type { EgressRules } from "../egress/table.ts";
import type { Protocol } from "../network.ts";

/** What the main thread asks of the kernel Worker. Plain data: it is cloned between the threads. */
export type Command =
  | { readonly op: "open"; readonly sandbox: SandboxCommand }
  | { readonly op: "close"; readonly path: string; readonly publish: PublishCommand }
  | { readonly op: "change"; readonly change: ChangeCommand }
  | { readonly op: "hold"; readonly publish: PublishCommand }
  | { readonly op: "bridge-up"; readonly bridge: BridgeCommand }
  | { readonly op: "bridge-down"; readonly name: string }
  | { readonly op: "parent-up"; readonly parent: ParentCommand }
  | { readonly op: "parent-down"; readonly parent: ParentCommand; readonly stillUsed: boolean }
  /** Names and MACs of a namespace's interfaces. */
  | { readonly op: "links"; readonly path: string }
  | { readonly op: "survey" }
  | {
      readonly op: "sweep";
      readonly directory: string;
      readonly keep: readonly string[];
      readonly bridges: readonly string[];
    }
  | { readonly op: "holder"; readonly port: PortHold }
  | { readonly op: "watch"; readonly intervalMs: number }
  /** Elements of the table, all or none. */
  | {
      readonly op: "elements";
      readonly table: string;
      readonly add: readonly MapElement[];
      readonly remove: readonly MapElement[];
    }
  | { readonly op: "end" }
  /** The table is being replaced as a whole: until this is over it is not looked at. */
  | { readonly op: "writing"; readonly on: boolean }
  | { readonly op: "installed"; readonly table: string };

export interface SandboxCommand {
  /** Where the namespace is pinned. */
  readonly path: string;
  readonly links: readonly LinkCommand[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly publish: PublishCommand;
  /** A table for the container's own namespace. */
  readonly egress?: EgressRules;
}

/** One interface of a container: one end of a veth pair into a bridge, or a child of a link of the host. */
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
  /** In place of a veth pair: a link that shares the wire of another one, which is made here if it is a VLAN. */
  readonly child?: { readonly what: ChildKind; readonly parent: string };
  /** Default routes by the link itself, where there is nobody to send to (ipvlan l3). */
  readonly defaultDevice?: boolean;
  /** Keys below net/, for this link. */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** Bits a second, 0 = not limited: to the container, and from it. */
  readonly rate?: { readonly inBps: number; readonly outBps: number };
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
  readonly egress?: EgressRules;
}

export interface BridgeCommand {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly string[];
}

/** A parent of macvlan and ipvlan links. */
export interface ParentCommand {
  /** `eth0`, or `eth0.50` which is made when it is not there; the name of a link to make where `own`. */
  readonly name: string;
  readonly own: boolean;
  readonly mtu: number;
  readonly kind: "macvlan" | "ipvlan";
  /** The host's own way to the containers: a macvlan link of this name, an address and what is reached by it. */
  readonly hostAccess?: { readonly name: string; readonly address: string; readonly routes: readonly string[] };
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
  /** Of an error that is meant for users as it is. */
  readonly kind?: ErrorKind;
  /** The hold that could not be had. */
  readonly hold?: PortHold;
}
