import { EngineError } from "../../base/errors.ts";
import type { LogDriver } from "../driver.ts";

/** Keeps nothing, and cannot be read. */
export const none: LogDriver = {
  name: "none",
  validate(options) {
    if (Object.keys(options).length > 0) throw new EngineError("invalid", "invalid logging opts for driver none");
  },
  open: async () => ({ write: async () => {}, close: async () => {} }),
};
