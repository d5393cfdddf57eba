import { EngineError } from "../../../base/errors.ts";
import type { Resources } from "../../../spec/engine/types.gen.ts";
import type { DevicePlan } from "../../plan.ts";
import { cleanPath } from "../process.ts";

/** Devices given by path. Whether they exist is seen at the start (moby parity). */
export function planDevices(devices: Resources["Devices"]): DevicePlan[] {
  return (devices ?? []).map(({ PathOnHost, PathInContainer, CgroupPermissions }) => {
    const hostPath = PathOnHost ?? "";
    const containerPath = PathInContainer || hostPath;
    const access = CgroupPermissions || "rwm";
    if (!/^(?!.*(.).*\1)[rwm]{1,3}$/.test(access))
      throw new EngineError("invalid", `invalid device mode: ${access}`, { hostPath });
    for (const path of [hostPath, containerPath]) {
      if (!path.startsWith("/") || path.includes("\0"))
        throw new EngineError("invalid", `invalid device path: "${path}" must be absolute`, { hostPath });
    }
    return { hostPath: cleanPath(hostPath), containerPath: cleanPath(containerPath), access };
  });
}

/** Rows of `--device-cgroup-rule`, `c 1:3 rwm`. */
export function checkDeviceRules(rules: readonly string[]): readonly string[] {
  for (const rule of rules) {
    if (!/^[acb] (?:\d+|\*):(?:\d+|\*) [rwm]{1,3}$/.test(rule))
      throw new EngineError("invalid", `invalid device cgroup rule format: '${rule}'`, { rule });
  }
  return rules;
}
