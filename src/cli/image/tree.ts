import type { ImageSummary } from "../../spec/engine/types.gen.ts";
import { alignTabs } from "../render/tabwriter.ts";
import { humanSize, shortId } from "../render/units.ts";

/** `images --tree`: each image with the platforms it holds below it. */
export function renderTree(images: readonly ImageSummary[], stdout: { write(text: string): unknown }): void {
  const lines = ["IMAGE\tID\tDISK USAGE\tCONTENT SIZE\tEXTRA"];
  for (const image of images) {
    const names = image.RepoTags.length > 0 ? image.RepoTags : ["<untagged>"];
    const used =
      image.Containers > 0 ||
      (image.Manifests ?? []).some((manifest) => (manifest.ImageData?.Containers ?? []).length > 0);
    lines.push(
      `${names.join(", ")}\t${shortId(image.Id)}\t${humanSize(image.Size, 3)}\t${contentSize(image)}\t${used ? "U" : ""}`,
    );
    const children = (image.Manifests ?? []).filter(
      (manifest) => manifest.Kind === "image" && manifest.ImageData !== undefined && manifest.ImageData !== null,
    );
    for (const [index, { ImageData: data, ID: id, Size: size }] of children.entries()) {
      const { os = "", architecture = "", variant = "" } = data?.Platform ?? {};
      const platform = [os, architecture, variant].filter((part) => part !== "" && part !== null).join("/");
      lines.push(
        `${index === children.length - 1 ? "└─" : "├─"} ${platform}\t${shortId(id)}\t${humanSize(size.Total, 3)}\t${humanSize(size.Content, 3)}\t${(data?.Containers ?? []).length > 0 ? "U" : ""}`,
      );
    }
  }
  stdout.write(`${alignTabs(lines.join("\n"), { minWidth: 10, padding: 3 })}\n`);
}

function contentSize({ Manifests: manifests }: ImageSummary): string {
  if (manifests === undefined || manifests === null) return "N/A";
  return humanSize(
    manifests.reduce((sum, { Size: size }) => sum + size.Content, 0),
    3,
  );
}
