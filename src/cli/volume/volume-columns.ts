import type { Volume } from "../../spec/engine/types.gen.ts";
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
