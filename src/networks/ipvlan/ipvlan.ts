import { ipvlanFlags, ipvlanModes } from "../../kernel/netlink/child-link.ts";
import type { NetworkDriver } from "../driver.ts";
import { checkParentOptions, childLink, parentCommand, parentDown, parentOptions } from "../parents.ts";

/** Containers with addresses of their own behind the MAC of an interface of the host, or of a VLAN of it. */
export const ipvlan: NetworkDriver = {
  addressed: true,
  creatable: true,
  publishes: false,

  check(request) {
    checkParentOptions("ipvlan", request);
  },

  async up(network, { kernel, mtu }) {
    await kernel.call({ op: "parent-up", parent: parentCommand("ipvlan", network, mtu) });
  },

  down: (network, context) => parentDown("ipvlan", network, context),

  link(network, endpoint, options) {
    const mode = network.options[parentOptions.ipvlanMode] ?? "l2";
    const flag = network.options[parentOptions.ipvlanFlag] ?? "bridge";
    return childLink(network, endpoint, {
      ...options,
      what: { kind: "ipvlan", mode: isMode(mode) ? mode : "l2", flag: isFlag(flag) ? flag : "bridge" },
      // l3: the interface routes by itself, there are no neighbours to be a gateway
      direct: mode !== "l2",
    });
  },

  firewalled: () => undefined,
};

const isMode = (text: string): text is keyof typeof ipvlanModes => Object.hasOwn(ipvlanModes, text);
const isFlag = (text: string): text is keyof typeof ipvlanFlags => Object.hasOwn(ipvlanFlags, text);
