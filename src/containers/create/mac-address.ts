import { EngineError } from "../../base/errors.ts";
import type { ContainerConfig, EndpointSettings } from "../../spec/engine/types.gen.ts";
import { isUserDefined } from "./network.ts";

interface Lifted {
  readonly config: ContainerConfig;
  readonly mode: string;
  readonly endpoints: Readonly<Record<string, EndpointSettings>>;
  readonly warnings: readonly string[];
}

/**
 * Config.MacAddress left the API with 1.44 but clients still send it: it moves to the endpoint of the main network,
 * with Docker's warning.
 */
export function liftMacAddress(
  config: ContainerConfig & { MacAddress?: unknown },
  { mode, endpoints }: Pick<Lifted, "mode" | "endpoints">,
): Lifted {
  const { MacAddress: mac, ...others } = config;
  if (typeof mac !== "string" || mac === "") return { config: others, mode, endpoints, warnings: [] };
  const warnings = [
    "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.",
  ];
  if (mode !== "bridge" && !isUserDefined(mode)) return { config: others, mode, endpoints, warnings };
  const own = endpoints[mode];
  if (own?.MacAddress && own.MacAddress !== mac) {
    throw new EngineError(
      "invalid",
      "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty",
    );
  }
  return { config: others, mode, endpoints: { ...endpoints, [mode]: { ...own, MacAddress: mac } }, warnings };
}
