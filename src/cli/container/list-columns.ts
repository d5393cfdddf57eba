import type { ContainerSummary } from "../../spec/engine/types.gen.ts";
import { quote } from "../render/go-string.ts";
import type { ColumnTable } from "../render/table.ts";
import { ellipsis, goTime, humanSize, shortId, timeAgo } from "../render/units.ts";
import { displayPorts } from "./display-ports.ts";

/** The columns of `ps`, docker's names. */
export function containerColumns({
  truncate,
  nowMs,
}: {
  truncate: boolean;
  nowMs: number;
}): ColumnTable<ContainerSummary> {
  const cut = (text: string, length: number): string => (truncate ? ellipsis(text, length) : text);
  return {
    ID: { header: "CONTAINER ID", value: ({ Id }) => (truncate ? shortId(Id ?? "") : Id) },
    Names: { header: "NAMES", value: ({ Names }) => names(Names ?? [], truncate) },
    Image: { header: "IMAGE", value: (row) => image(row, truncate) },
    Command: { header: "COMMAND", value: ({ Command }) => quote(cut(Command ?? "", 20)) },
    CreatedAt: { header: "CREATED AT", value: ({ Created }) => localTime(Created ?? 0) },
    RunningFor: { header: "CREATED", value: ({ Created }) => timeAgo((Created ?? 0) * 1000, nowMs) },
    Ports: { header: "PORTS", value: ({ Ports }) => displayPorts(Ports ?? []) },
    State: { header: "STATE", value: ({ State }) => State ?? "" },
    Status: { header: "STATUS", value: ({ Status }) => Status ?? "" },
    Size: { header: "SIZE", value: sizes },
    Labels: {
      header: "LABELS",
      value: ({ Labels }) =>
        Object.entries(Labels ?? {})
          .map(([key, value]) => `${key}=${value}`)
          .sort()
          .join(","),
    },
    Mounts: {
      header: "MOUNTS",
      value: ({ Mounts }) => (Mounts ?? []).map((mount) => cut(mount.Name || mount.Source || "", 15)).join(","),
    },
    LocalVolumes: {
      header: "LOCAL VOLUMES",
      value: ({ Mounts }) => String((Mounts ?? []).filter((mount) => mount.Driver === "local").length),
    },
    Networks: {
      header: "NETWORKS",
      value: ({ NetworkSettings }) =>
        Object.keys(NetworkSettings?.Networks ?? {})
          .sort()
          .join(","),
    },
    Platform: { header: "PLATFORM", value: () => null },
  };
}

/** `{{.Label "key"}}` */
export const labelOf = ({ Labels }: ContainerSummary, name: string): string => Labels?.[name] ?? "";

/** Without --no-trunc the names that links gave (`/other/alias`) are left out. */
function names(all: readonly string[], truncate: boolean): string {
  const plain = all.map((name) => name.replace(/^\//, ""));
  return (truncate ? plain.filter((name) => !name.includes("/")) : plain).join(",");
}

function image({ Image, ImageID }: ContainerSummary, truncate: boolean): string {
  if (!Image) return "<no image>";
  if (!truncate) return Image;
  const short = shortId(ImageID ?? "");
  if (short !== "" && short === shortId(Image)) return short;
  // name@digest is shown by its name, or its tag where it has one
  return Image.replace(/@sha256:[0-9a-f]+$/, "");
}

function sizes({ SizeRw, SizeRootFs }: ContainerSummary): string {
  const own = humanSize(SizeRw ?? 0, 3);
  return (SizeRootFs ?? 0) > 0 ? `${own} (virtual ${humanSize(SizeRootFs ?? 0, 3)})` : own;
}

/** Go's time.Time.String() in the local zone. */
function localTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const offset = -date.getTimezoneOffset();
  if (offset === 0) return goTime(date.toISOString());
  const shifted = new Date(date.getTime() + offset * 60_000).toISOString();
  const sign = offset < 0 ? "-" : "+";
  const clock = `${String(Math.trunc(Math.abs(offset) / 60)).padStart(2, "0")}${String(Math.abs(offset) % 60).padStart(2, "0")}`;
  const zone =
    new Intl.DateTimeFormat("en", { timeZoneName: "short" })
      .formatToParts(date)
      .find((part) => part.type === "timeZoneName")?.value ?? "";
  return `${shifted.slice(0, 10)} ${shifted.slice(11, 19)} ${sign}${clock} ${zone}`;
}
