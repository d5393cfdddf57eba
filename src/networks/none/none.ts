import type { NetworkDriver } from "../driver.ts";

/** A namespace with nothing but a loopback. */
export const none: NetworkDriver = {
  addressed: false,
  creatable: false,
  publishes: false,
  check() {},
  async up() {},
  async down() {},
  link: () => undefined,
  firewalled: () => undefined,
};
