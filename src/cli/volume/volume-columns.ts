import type { Volume, VolumeSize } from "../../spec/engine/types.gen.ts";
import type { ColumnTable } from "../render/table.ts";
import { humanSize } from "../render/units.ts";
import { labelText } from "../values/label.ts";

const unknown = "N/A";

/** The columns of `volume ls` and of `system df -v`. */
export const volumeColumns: ColumnTable<Volume> = {
  Name: { header: "VOLUME NAME", value: ({ Name }) => Name },
  Driver: { header: "DRIVER", value: ({ Driver }) => Driver },
  Scope: { header: "SCOPE", value: ({ Scope }) => Scope },
  Mountpoint: { header: "MOUNTPOINT", value: ({ Mountpoint }) => Mountpoint },
  Labels: { header: "LABELS", value: ({ Labels }) => labelText(Labels) },
  Links: { header: "LINKS", value: ({ UsageData }) => (UsageData ? String(UsageData.RefCount) : unknown) },
  Size: { header: "SIZE", value: ({ UsageData }) => (UsageData ? humanSize(UsageData.Size) : unknown) },
  Group: { header: "GROUP", value: ({ ClusterVolume }) => ClusterVolume?.Spec?.Group ?? unknown },
  Availability: {
    header: "AVAILABILITY",
    value: ({ ClusterVolume }) => ClusterVolume?.Spec?.AccessMode?.Availability ?? unknown,
  },
  Status: { header: "STATUS", value: ({ ClusterVolume }) => (ClusterVolume?.Info?.VolumeID ? "created" : unknown) },
};

/** The columns of `volume ls --size`. */
export function sizeColumns(sizes: ReadonlyMap<string, VolumeSize>): ColumnTable<Volume> {
  const of = (show: (size: VolumeSize) => string) => (volume: Volume) => {
    const size = sizes.get(volume.Name);
    return size === undefined ? unknown : show(size);
  };
  return {
    Size: { header: "SIZE", value: of(({ SizeBytes }) => (SizeBytes < 0 ? unknown : humanSize(SizeBytes))) },
    Limit: { header: "LIMIT", value: of(({ LimitBytes }) => (LimitBytes > 0 ? humanSize(LimitBytes) : "none")) },
    Snapshots: {
      header: "SNAPSHOTS",
      value: of(({ Snapshots, SnapshotBytes }) => (Snapshots > 0 ? `${Snapshots} (${humanSize(SnapshotBytes)})` : "0")),
    },
    Links: { header: "LINKS", value: of(({ Users }) => String(Users.length)) },
  };
}
