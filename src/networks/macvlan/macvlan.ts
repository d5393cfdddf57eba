import { macvlanModes } from "../../kernel/netlink/child-link.ts";
import type { NetworkDriver } from "../driver.ts";
import { checkParentOptions, childLink, parentCommand, parentDown, parentOptions } from "../parents.ts";

/** Containers with a MAC of their own on the wire of an interface of the host, or of a VLAN of it (`eth0.50`). */
export const macvlan: NetworkDriver = {
  addressed: true,
  creatable: true,
  publishes: false,

  check(request) {
    checkParentOptions("macvlan", request);
  },

  async up(network, { kernel, mtu }) {
    await kernel.call({ op: "parent-up", parent: parentCommand("macvlan", network, mtu) });
  },

  down: (network, context) => parentDown("macvlan", network, context),

  link(network, endpoint, options) {
    const mode = network.options[parentOptions.macvlanMode];
    return childLink(network, endpoint, {
      ...options,
      what: { kind: "macvlan", mode: mode !== undefined && isMode(mode) ? mode : "bridge" },
      direct: false,
    });
  },

  firewalled: () => undefined,
};

const isMode = (text: string): text is keyof typeof macvlanModes => Object.hasOwn(macvlanModes, text);
