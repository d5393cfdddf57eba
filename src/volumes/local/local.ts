import { mkdir } from "node:fs/promises";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { isMounted, mount, unmount } from "../../kernel/mount.ts";
import type { VolumeDriver } from "../driver.ts";
import { resolveAddress, splitMountOptions } from "./mount-options.ts";

const known = ["type", "o", "device", "size"];

/** Folders of this host, or whatever mount(2) makes of `type`, `device` and `o`. */
export const local: VolumeDriver = {
  name: "local",

  validate(options) {
    for (const name of Object.keys(options)) {
      if (!known.includes(name))
        throw new EngineError("invalid", `invalid option: ${JSON.stringify(name)}`, { option: name });
    }
    if (Object.keys(options).length === 0) return;
    if ("size" in options)
      throw new EngineError("invalid", "quota size requested but no quota support", { option: "size" });
    for (const name of ["device", "type"]) {
      if (!options[name])
        throw new EngineError("invalid", `missing required option: ${JSON.stringify(name)}`, { option: name });
    }
  },

  async create(mountpoint) {
    await mkdir(mountpoint, { recursive: true, mode: 0o755 });
  },

  mounts: (options) => "device" in options,

  async mount(mountpoint, options) {
    if (isMounted(mountpoint)) return;
    const type = options["type"] ?? "";
    const source = options["device"] ?? "";
    const { flags, data } = splitMountOptions(options["o"] ?? "");
    try {
      const resolved = await resolveAddress(type, data);
      // A network file system can make mount(2) wait long, but only its own type does: the rest are immediate.
      mount({ source, target: mountpoint, type, flags, ...(resolved !== "" && { data: resolved }) });
    } catch (cause) {
      const reason = cause instanceof SyscallError ? (reasons[cause.code] ?? cause.code) : String(cause);
      const shown = `flags: 0x${flags.toString(16)}${data === "" ? "" : `, data: ${data}`}`;
      throw new EngineError(
        "invalid",
        `error while mounting volume '${mountpoint}': failed to mount local volume: mount ${source}:${mountpoint}, ${shown}: ${reason}`,
        { mountpoint, source, type },
        { cause },
      );
    }
  },

  async unmount(mountpoint) {
    while (unmount(mountpoint, { detach: true })) {
      // mounted more than once, by a daemon that was cut
    }
  },
};

// strerror(3) of what users meet here
const reasons: Record<string, string> = {
  ENOENT: "no such file or directory",
  ENODEV: "no such device (this kernel does not know the file system type)",
  EINVAL: "invalid argument",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  ENOTBLK: "block device required",
  E15: "block device required",
  EBUSY: "device or resource busy",
  ENOTDIR: "not a directory",
  ETIMEDOUT: "connection timed out",
  ECONNREFUSED: "connection refused",
};
