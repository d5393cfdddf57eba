import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { BigIntStats } from "node:fs";
import { EngineError, errorMessage } from "../../base/errors.ts";
import type { OciDevice, OciDeviceRule } from "../../spec/oci/runtime.ts";
import type { ContainerPlan, DevicePlan } from "../plan.ts";
import type { DeviceNumbers } from "./cgroup.ts";

/** Devices of one container, looked up at the host. */
export interface GatheredDevices {
  readonly nodes: readonly OciDevice[];
  /** Added to the default rules; replaces them when `all`. */
  readonly rules: readonly OciDeviceRule[];
  readonly all: boolean;
  readonly numbers: DeviceNumbers;
}

const character = (major: number, minor: number, allow = true): OciDeviceRule => ({
  allow,
  type: "c",
  major,
  minor,
  access: "rwm",
});

/** Nothing, then null, zero, full, random, urandom, tty, console; never /dev/fuse. The runtime adds the ptys. */
export const defaultDeviceRules: readonly OciDeviceRule[] = [
  { allow: false, access: "rwm" },
  character(1, 5),
  character(1, 3),
  character(1, 9),
  character(1, 8),
  character(5, 0),
  character(5, 1),
  character(10, 229, false),
];

/** Looks up what a plan names. Throws Docker's text for a device that is not there. */
export async function gatherDevices(plan: ContainerPlan): Promise<GatheredDevices> {
  const { privileged } = plan.security;
  for (const { driver, capabilities } of plan.deviceRequests) {
    const words = `[${capabilities.map((set) => `[${set.join(" ")}]`).join(" ")}]`;
    throw new EngineError("internal", `could not select device driver "${driver}" with capabilities: ${words}`);
  }
  const nodes: OciDevice[] = privileged ? await hostDevices("/dev") : [];
  const rules: OciDeviceRule[] = privileged ? [{ allow: true, access: "rwm" }] : [];
  for (const device of plan.devices) {
    if (privileged && device.hostPath === device.containerPath) continue;
    for (const node of await findDevice(device)) {
      nodes.push(node);
      if (!privileged)
        rules.push({ allow: true, type: node.type, major: node.major, minor: node.minor, access: device.access });
    }
  }
  if (!privileged) rules.push(...plan.deviceRules.map(parseRule));
  return { nodes, rules, all: privileged, numbers: await blockDevices(plan) };
}

/** A number left out means any: crun takes no -1 for it. */
function parseRule(text: string): OciDeviceRule {
  const [type = "", numbers = "", access = ""] = text.split(" ");
  const [major = "*", minor = "*"] = numbers.split(":");
  return {
    allow: true,
    type,
    ...(major === "*" ? {} : { major: Number(major) }),
    ...(minor === "*" ? {} : { minor: Number(minor) }),
    access,
  };
}

async function findDevice({ hostPath, containerPath }: DevicePlan): Promise<OciDevice[]> {
  const bad = (why: string): never => {
    throw new EngineError(
      "internal",
      `error gathering device information while adding custom device "${hostPath}": ${why}`,
      { hostPath },
    );
  };
  const path = await realpath(hostPath).catch((error: NodeJS.ErrnoException) =>
    bad(error.code === "ENOENT" ? "no such file or directory" : errorMessage(error)),
  );
  const facts = await stat(path, { bigint: true });
  const node = asNode(containerPath, facts);
  if (node) return [node];
  const found = facts.isDirectory() ? await hostDevices(path) : [];
  if (found.length === 0) bad("not a device node");
  return found.map((child) => ({ ...child, path: containerPath + child.path.slice(path.length) }));
}

// pts, shm and mqueue are mounts of their own in every container; the others belong to programs of the host
const skippedFolders = new Set(["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"]);

/** All device nodes below a folder of the host; /dev/console is the container's own. */
async function hostDevices(folder: string): Promise<OciDevice[]> {
  const found: OciDevice[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!skippedFolders.has(entry.name)) found.push(...(await hostDevices(path)));
      continue;
    }
    if (entry.name === "console" || !(entry.isCharacterDevice() || entry.isBlockDevice())) continue;
    // a device that was unplugged meanwhile is none
    const facts = await stat(path, { bigint: true }).catch(() => undefined);
    const node = facts && asNode(path, facts);
    if (node) found.push(node);
  }
  return found;
}

function asNode(path: string, facts: BigIntStats): OciDevice | undefined {
  const type = facts.isCharacterDevice() ? "c" : facts.isBlockDevice() ? "b" : undefined;
  if (!type) return undefined;
  return {
    path,
    type,
    ...split(facts.rdev),
    fileMode: Number(facts.mode & 0o777n),
    uid: Number(facts.uid),
    gid: Number(facts.gid),
  };
}

/** The block devices that I/O limits name. */
async function blockDevices({ resources }: ContainerPlan): Promise<DeviceNumbers> {
  const { blkioWeightDevices, readBps, writeBps, readIops, writeIops } = resources;
  const numbers = new Map<string, { major: number; minor: number }>();
  for (const { path } of [blkioWeightDevices, readBps, writeBps, readIops, writeIops].flat()) {
    const facts = await stat(path, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
      throw new EngineError(
        "invalid",
        `stat ${path}: ${error.code === "ENOENT" ? "no such file or directory" : errorMessage(error)}`,
        { path },
      );
    });
    numbers.set(path, split(facts.rdev));
  }
  return numbers;
}

/** dev_t of Linux: 12 + 20 bits of major and 20 of minor, interleaved (makedev(3)). */
function split(device: bigint): { major: number; minor: number } {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  };
}
