import type { OciRunConfig } from "../../spec/oci/image.ts";
import type { ContainerConfig } from "../../spec/engine/types.gen.ts";

/**
 * The request's config with what it leaves out taken from the image (moby parity): an entrypoint in the request
 * drops the image's command, environment and maps are merged with the request's value winning.
 */
export function mergeImage(config: ContainerConfig, image: OciRunConfig): ContainerConfig {
  const merged: ContainerConfig = { ...config };
  merged.User = config.User || image.User || "";
  merged.ExposedPorts = mergeMaps(image.ExposedPorts, config.ExposedPorts);
  merged.Volumes = mergeMaps(image.Volumes, config.Volumes);
  merged.Labels = { ...image.Labels, ...config.Labels };
  merged.Env = mergeEnv(config.Env ?? [], image.Env ?? []);
  merged.WorkingDir = config.WorkingDir || image.WorkingDir || "";
  merged.StopSignal = config.StopSignal || image.StopSignal || undefined;
  merged.StopTimeout = config.StopTimeout ?? image.StopTimeout ?? undefined;
  merged.Shell = config.Shell ?? image.Shell ?? undefined;
  if (!config.Entrypoint?.length) {
    if (!config.Cmd?.length) merged.Cmd = image.Cmd ?? null;
    // an empty list resets the image's entrypoint, absence inherits it
    if (!config.Entrypoint) merged.Entrypoint = image.Entrypoint ?? null;
  }
  merged.Healthcheck = mergeHealthcheck(config.Healthcheck, image.Healthcheck);
  return merged;
}

function mergeMaps(
  image: Record<string, object> | null | undefined,
  config: Record<string, object> | null | undefined,
): Record<string, Record<string, unknown>> | null {
  const keys = [...Object.keys(image ?? {}), ...Object.keys(config ?? {})];
  return keys.length === 0 ? null : Object.fromEntries(keys.map((key) => [key, {}]));
}

/** The request's rows first, then the image's rows of other names: the order inspect shows. */
function mergeEnv(own: readonly string[], image: readonly string[]): string[] {
  const names = new Set(own.map(envName));
  return [...own, ...image.filter((row) => !names.has(envName(row)))];
}

export const envName = (row: string): string => row.split("=", 1)[0] ?? "";

function mergeHealthcheck(
  own: ContainerConfig["Healthcheck"],
  image: OciRunConfig["Healthcheck"],
): ContainerConfig["Healthcheck"] {
  if (!own || !image) return own ?? image ?? undefined;
  return {
    Test: own.Test?.length ? own.Test : (image.Test ?? null),
    Interval: own.Interval || image.Interval || 0,
    Timeout: own.Timeout || image.Timeout || 0,
    StartPeriod: own.StartPeriod || image.StartPeriod || 0,
    StartInterval: own.StartInterval || image.StartInterval || 0,
    Retries: own.Retries || image.Retries || 0,
  };
}
