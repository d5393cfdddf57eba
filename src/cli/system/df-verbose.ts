import type { ContainerSummary } from "../../spec/engine/types.gen.ts";
import { imageColumns, imageRows } from "../image/image-rows.ts";
import { goJson } from "../render/go-value.ts";
import { type ColumnTable, dockerRun, dockerTemplate, formatList } from "../render/table.ts";
import { ellipsis, goLocalTime, humanSize, shortId, timeAgo } from "../render/units.ts";
import { labelText } from "../values/label.ts";
import { volumeColumns } from "../volume/volume-columns.ts";
import type { BuildCacheRecord, DiskUsage } from "./disk-usage.ts";
import { openStruct } from "./open-struct.ts";

type Writer = { write(text: string): unknown };

/** `system df -v`: a table for each kind, or one object for a format. */
export function printVerbose(usage: DiskUsage, format: string | undefined, stdout: Writer): void {
  const images = imageRows(usage.Images, { digests: false, needsDigest: false });
  if (format !== undefined && format !== "" && format !== "table") {
    const rows = <Row>(list: readonly Row[], columns: ColumnTable<Row>): Record<string, unknown>[] =>
      list.map((row) =>
        Object.fromEntries(
          Object.keys(columns)
            .sort()
            .map((name) => [name, columns[name]?.value(row)]),
        ),
      );
    const value = {
      Images: rows(images, imageColumns({ truncate: false })),
      Containers: rows(usage.Containers, containerColumns(false)),
      Volumes: rows(usage.Volumes, volumeColumns),
      BuildCache: rows(usage.BuildCache, cacheColumns),
    };
    stdout.write(
      format === "json"
        ? goJson(value)
        : dockerRun(
            dockerTemplate(format.replaceAll("\\t", "\t").replaceAll("\\n", "\n")),
            openStruct("*formatter.DiskUsageContext", value),
          ),
    );
    return;
  }
  const cacheBytes = usage.BuildCache.reduce((total, { Shared, Size }) => total + (Shared ? 0 : Size), 0);
  const table = <Row>(list: readonly Row[], columns: ColumnTable<Row>, defaultFormat: string): string =>
    formatList(list, { format: undefined, columns, defaultFormat, stdout });
  stdout.write(
    `Images space usage:\n\n${table(images, imageColumns({ truncate: true }), "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}")}` +
      `\nContainers space usage:\n\n${table(usage.Containers, containerColumns(true), "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}")}` +
      `\nLocal Volumes space usage:\n\n${table(usage.Volumes, volumeColumns, "table {{.Name}}\t{{.Links}}\t{{.Size}}")}` +
      `\nBuild cache usage: ${humanSize(cacheBytes)}\n\n${table(usage.BuildCache, cacheColumns, "table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}")}`,
  );
}

const containerColumns = (truncate: boolean): ColumnTable<ContainerSummary> => ({
  ID: { header: "CONTAINER ID", value: ({ Id }) => (truncate ? shortId(Id ?? "") : (Id ?? "")) },
  Image: {
    header: "IMAGE",
    value: ({ Image }) => (truncate ? (Image ?? "").replace(/@sha256:.*$/, "") : (Image ?? "")),
  },
  Command: {
    header: "COMMAND",
    value: ({ Command }) => JSON.stringify(truncate ? ellipsis(Command ?? "", 20) : (Command ?? "")),
  },
  LocalVolumes: {
    header: "LOCAL VOLUMES",
    value: ({ Mounts }) => String((Mounts ?? []).filter(({ Driver }) => Driver === "local").length),
  },
  Size: { header: "SIZE", value: ({ SizeRw }) => humanSize(SizeRw ?? 0, 3) },
  RunningFor: { header: "CREATED", value: ({ Created }) => timeAgo((Created ?? 0) * 1000) },
  CreatedAt: { header: "CREATED AT", value: ({ Created }) => goLocalTime((Created ?? 0) * 1000) },
  State: { header: "STATE", value: ({ State }) => State ?? "" },
  Status: { header: "STATUS", value: ({ Status }) => Status ?? "" },
  Names: {
    header: "NAMES",
    value: ({ Names }) =>
      (Names ?? [])
        .map((name) => name.replace(/^\//, ""))
        .filter((name) => !name.includes("/"))
        .join(","),
  },
  Labels: { header: "LABELS", value: ({ Labels }) => labelText(Labels) },
});

const cacheColumns: ColumnTable<BuildCacheRecord> = {
  ID: { header: "CACHE ID", value: ({ ID }) => shortId(ID) },
  CacheType: { header: "CACHE TYPE", value: ({ Type }) => Type },
  Description: { header: "DESCRIPTION", value: ({ Description = "" }) => Description },
  Size: { header: "SIZE", value: ({ Size }) => humanSize(Size, 3) },
  CreatedAt: { header: "CREATED AT", value: ({ CreatedAt }) => CreatedAt },
  CreatedSince: { header: "CREATED", value: ({ CreatedAt }) => timeAgo(Date.parse(CreatedAt)) },
  LastUsedAt: { header: "LAST USED AT", value: ({ LastUsedAt }) => LastUsedAt ?? "" },
  LastUsedSince: {
    header: "LAST USED",
    value: ({ LastUsedAt }) => (LastUsedAt ? timeAgo(Date.parse(LastUsedAt)) : ""),
  },
  UsageCount: { header: "USAGE", value: ({ UsageCount }) => String(UsageCount) },
  InUse: { header: "IN USE", value: ({ InUse }) => String(InUse) },
  Shared: { header: "SHARED", value: ({ Shared }) => String(Shared) },
};
