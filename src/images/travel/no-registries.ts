import { EngineError } from "../../base/errors.ts";
import type { Registries } from "../../distribution/registries.ts";

const refuse = (): never => {
  throw new EngineError("unavailable", "this engine was opened without registries");
};

/** For an image store that never leaves the machine. */
export const noRegistries: Registries = {
  repository: refuse,
  login: refuse,
  search: refuse,
  proxies: { http: "", https: "", no: "" },
};
