import { command } from "../command.ts";
import { listFormat } from "../render/format-flag.ts";
import { renderList } from "../render/table.ts";
import { humanSize } from "../render/units.ts";
import { printVerbose } from "./df-verbose.ts";
import { type DiskUsage, readDiskUsage } from "./disk-usage.ts";

export const systemDf = command({
  path: "system df",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Show docker disk usage",
  flags: {
    format: listFormat,
    verbose: { type: "bool", short: "v", help: "Show detailed information on space usage" },
  },
  async run({ flags, engine, stdout }) {
    const usage = await readDiskUsage(engine);
    if (flags.verbose) {
      printVerbose(usage, flags.format, stdout);
      return;
    }
    renderList(summaries(usage), {
      format: flags.format,
      columns: {
        Type: { header: "TYPE", value: ({ type }) => type },
        TotalCount: { header: "TOTAL", value: ({ total }) => String(total) },
        Active: { header: "ACTIVE", value: ({ active }) => String(active) },
        Size: { header: "SIZE", value: ({ sizeBytes }) => humanSize(sizeBytes) },
        Reclaimable: { header: "RECLAIMABLE", value: reclaimable },
      },
      defaultFormat: "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
      typeName: "*formatter.diskUsageImagesContext",
      stdout,
    });
  },
});

interface Summary {
  readonly type: string;
  readonly total: number;
  readonly active: number;
  readonly sizeBytes: number;
  readonly reclaimableBytes: number;
  readonly percent: boolean;
}

function reclaimable({ sizeBytes, reclaimableBytes, percent }: Summary): string {
  const size = humanSize(reclaimableBytes);
  return percent && sizeBytes > 0 ? `${size} (${Math.trunc((reclaimableBytes * 100) / sizeBytes)}%)` : size;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** The four lines of `system df`; what they count is docker's (formatter/disk_usage.go). */
export function summaries({ LayersSize, Images, Containers, Volumes, BuildCache }: DiskUsage): Summary[] {
  const usedImages = Images.filter(({ Containers: count }) => count !== 0);
  const usedBytes = sum(
    usedImages.map(({ Size, SharedSize }) => (Size === -1 || SharedSize === -1 ? 0 : Size - SharedSize)),
  );
  const isActive = ({ State }: { State?: string | null | undefined }): boolean =>
    /running|paused|restarting/.test(State ?? "");
  const sizeOf = (containers: DiskUsage["Containers"]): number => sum(containers.map(({ SizeRw }) => SizeRw ?? 0));
  const known = Volumes.flatMap(({ UsageData }) => (UsageData && UsageData.Size !== -1 ? [UsageData] : []));
  const cacheBytes = sum(BuildCache.map(({ Shared, Size }) => (Shared ? 0 : Size)));
  const cacheInUse = BuildCache.filter(({ InUse }) => InUse);
  return [
    {
      type: "Images",
      total: Images.length,
      active: Images.filter(({ Containers: count }) => count > 0).length,
      sizeBytes: LayersSize,
      reclaimableBytes: LayersSize - usedBytes,
      percent: true,
    },
    {
      type: "Containers",
      total: Containers.length,
      active: Containers.filter(isActive).length,
      sizeBytes: sizeOf(Containers),
      reclaimableBytes: sizeOf(Containers.filter((container) => !isActive(container))),
      percent: true,
    },
    {
      type: "Local Volumes",
      total: Volumes.length,
      active: Volumes.filter(({ UsageData }) => (UsageData?.RefCount ?? 0) > 0).length,
      sizeBytes: sum(known.map(({ Size }) => Size)),
      reclaimableBytes: sum(known.map(({ Size, RefCount }) => (RefCount === 0 ? Size : 0))),
      percent: true,
    },
    {
      type: "Build Cache",
      total: BuildCache.length,
      active: cacheInUse.length,
      sizeBytes: cacheBytes,
      reclaimableBytes: cacheBytes - sum(cacheInUse.map(({ Shared, Size }) => (Shared ? 0 : Size))),
      percent: false,
    },
  ];
}
