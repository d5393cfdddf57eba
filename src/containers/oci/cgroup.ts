import { posix } from "node:path";
import type { DeviceNumber, OciBlockIo, OciCpu, OciMemory, OciResources, OciThrottle } from "../../spec/oci/runtime.ts";
import type { DeviceValue, ResourcePlan } from "../plan.ts";
import type { SpecHost } from "./host.ts";

const defaultParent = "/berth";

/** Path of the container's cgroup below each hierarchy. Whatever the parent says, it stays below the top. */
export const cgroupsPath = (id: string, parent: string): string =>
  posix.join("/", posix.normalize(`/${parent || defaultParent}`), id);

/** Numbers of the block devices that limits name, by path. */
export type DeviceNumbers = ReadonlyMap<string, DeviceNumber>;

// crun 1.8 writes what it is given, and the kernel takes no -1 here: PID_MAX_LIMIT, more than any machine can have
const noPidsLimit = 4_194_304;

// the same for the CPU quota: the largest the kernel takes, (1 << 44) - 1 microseconds of each period
const noQuotaUs = 2 ** 44 - 1;

/**
 * Limits as OCI has them, in cgroup v1's units: runtimes convert for v2. Only what is set is written; devices are not
 * in it. For the update of a running container give `previous`: what was limited and no longer is, is written as such.
 */
export function buildResources(
  r: ResourcePlan,
  host: Pick<SpecHost, "cgroupVersion">,
  numbers: DeviceNumbers,
  options: { previous?: ResourcePlan } = {},
): OciResources {
  const { previous } = options;
  const memory = {
    ...buildMemory(r, host),
    ...(r.memorySwap === -1 && previous && previous.memorySwap > 0 ? { swap: -1 } : {}),
  };
  const hadQuota = previous !== undefined && (previous.cpuQuotaUs > 0 || previous.nanoCpus > 0);
  const cpu = { ...(hadQuota ? { quota: noQuotaUs } : {}), ...buildCpu(r) };
  const blockIO = buildBlockIo(r, numbers);
  const pids = r.pids > 0 ? r.pids : previous && previous.pids > 0 ? noPidsLimit : 0;
  return {
    ...filled("memory", memory),
    ...filled("cpu", cpu),
    ...filled("blockIO", blockIO),
    ...(pids > 0 ? { pids: { limit: pids } } : {}),
  };
}

function buildMemory(r: ResourcePlan, host: Pick<SpecHost, "cgroupVersion">): OciMemory {
  return {
    ...(r.memory > 0 ? { limit: r.memory } : {}),
    ...(r.memoryReservation > 0 ? { reservation: r.memoryReservation } : {}),
    ...(r.memorySwap > 0 ? { swap: r.memorySwap } : {}),
    ...(r.memorySwappiness === null ? {} : { swappiness: r.memorySwappiness }),
    // v2 has no such switch and runtimes refuse it
    ...(r.oomKillDisable && host.cgroupVersion === 1 ? { disableOOMKiller: true } : {}),
  };
}

function buildCpu(r: ResourcePlan): OciCpu {
  const periodUs = 100_000; // the kernel's own default; nano CPUs are a share of it
  return {
    ...(r.cpuShares > 0 ? { shares: r.cpuShares } : {}),
    ...(r.nanoCpus > 0 ? { period: periodUs, quota: Math.trunc((r.nanoCpus * periodUs) / 1e9) } : {}),
    ...(r.cpuPeriodUs > 0 ? { period: r.cpuPeriodUs } : {}),
    ...(r.cpuQuotaUs > 0 ? { quota: r.cpuQuotaUs } : {}),
    ...(r.cpuRealtimePeriodUs > 0 ? { realtimePeriod: r.cpuRealtimePeriodUs } : {}),
    ...(r.cpuRealtimeRuntimeUs > 0 ? { realtimeRuntime: r.cpuRealtimeRuntimeUs } : {}),
    ...(r.cpusetCpus === "" ? {} : { cpus: r.cpusetCpus }),
    ...(r.cpusetMems === "" ? {} : { mems: r.cpusetMems }),
  };
}

function buildBlockIo(r: ResourcePlan, numbers: DeviceNumbers): OciBlockIo {
  const rates = (rows: readonly DeviceValue[]): OciThrottle[] =>
    rows.map(({ path, value }) => ({ ...numberOf(path, numbers), rate: value }));
  const weights = r.blkioWeightDevices.map(({ path, value }) => ({ ...numberOf(path, numbers), weight: value }));
  return {
    ...(r.blkioWeight > 0 ? { weight: r.blkioWeight } : {}),
    ...listed("weightDevice", weights),
    ...listed("throttleReadBpsDevice", rates(r.readBps)),
    ...listed("throttleWriteBpsDevice", rates(r.writeBps)),
    ...listed("throttleReadIOPSDevice", rates(r.readIops)),
    ...listed("throttleWriteIOPSDevice", rates(r.writeIops)),
  };
}

function numberOf(path: string, numbers: DeviceNumbers): DeviceNumber {
  const number = numbers.get(path);
  if (!number) throw new Error(`device number of ${path} was not gathered`);
  return number;
}

const filled = <K extends string, V extends object>(key: K, value: V) =>
  Object.keys(value).length > 0 ? { [key]: value } : {};
const listed = <V>(key: string, value: readonly V[]) => (value.length > 0 ? { [key]: value } : {});
