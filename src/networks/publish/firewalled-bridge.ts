/** How containers of one address family are reached, and reach. Docker's names. */
export type GatewayMode = "nat" | "nat-unprotected" | "routed" | "isolated";

/** A bridge as the firewall sees it. */
export interface FirewalledBridge {
  readonly name: string;
  readonly internal: boolean;
  readonly masquerade: boolean;
  /** Where its containers' addresses are. */
  readonly subnets: readonly string[];
  /** The network has no IPv6 of its own: what is published on IPv6 comes to its containers from the bridge's address. */
  readonly proxied6: boolean;
  readonly mode4: GatewayMode;
  readonly mode6: GatewayMode;
  /** The address that its containers leave with; empty = that of the interface. */
  readonly source4: string;
  readonly source6: string;
}
