import type { NetworkDriver } from "../driver.ts";

/** The host's own namespace: nothing to make. */
export const host: NetworkDriver = {
  addressed: false,
  creatable: false,
  publishes: false,
  check() {},
  async up() {},
  async down() {},
  link: () => undefined,
  firewalled: () => undefined,
};
