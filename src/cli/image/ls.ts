import type { ImageSummary } from "../../spec/engine/types.gen.ts";
import { command } from "../command.ts";
import { readConfigFile } from "../config-file.ts";
import { ExitError } from "../exit-error.ts";
import { filterFlag, listFormat } from "../render/format-flag.ts";
import { renderList } from "../render/table.ts";
import { checkFilter, parseFilters } from "../values/filter.ts";
import { imageColumns, imageRows } from "./image-rows.ts";
import { renderTree } from "./tree.ts";

export const imageLs = command({
  path: "image ls",
  aliases: ["image list", "images"],
  args: "[REPOSITORY[:TAG]]",
  arity: { min: 0, max: 1 },
  summary: "List images",
  complete: "image",
  flags: {
    all: { type: "bool", short: "a", help: "Show all images (default hides intermediate images)" },
    digests: { type: "bool", help: "Show digests" },
    filter: { ...filterFlag, check: checkFilter },
    format: listFormat,
    "no-trunc": { type: "bool", help: "Don't truncate output" },
    quiet: { type: "bool", short: "q", help: "Only show image IDs" },
    tree: { type: "bool", help: "List multi-platform images as a tree (EXPERIMENTAL)" },
  },
  async run({ flags, args, engine, stdout, configDir }) {
    const filters = parseFilters(flags.filter, { reference: args });
    if (flags.tree) refuseWithTree(flags);
    const all = flags.all ? { all: true } : {};
    const images: ImageSummary[] = await engine.call("ImageList", {
      ...all,
      filters,
      ...(flags.tree ? { manifests: true } : {}),
    });
    if (flags.tree) return renderTree(images, stdout);
    const digest = flags.digests ? "\t{{.Digest}}" : "";
    const chosen = flags.format ?? (flags.quiet ? undefined : readConfigFile(configDir).imagesFormat);
    // docker adds the column to a table of one's own as well.
    const format =
      chosen?.startsWith("table ") === true && flags.digests && !chosen.includes("{{.Digest}}")
        ? `${chosen}${digest}`
        : chosen;
    renderList(
      imageRows(images, {
        digests: flags.digests,
        needsDigest: flags.digests || (format ?? "").includes("{{.Digest}}"),
      }),
      {
        format,
        quiet: flags.quiet,
        columns: imageColumns({ truncate: !flags["no-trunc"] }),
        defaultFormat: `table {{.Repository}}\t{{.Tag}}${digest}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}`,
        rawFormat: flags.quiet
          ? "image_id: {{.ID}}"
          : `repository: {{.Repository}}\ntag: {{.Tag}}\n${flags.digests ? "digest: {{.Digest}}\n" : ""}image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n`,
        typeName: "*formatter.imageContext",
        stdout,
      },
    );
    return undefined;
  },
});

function refuseWithTree(flags: {
  quiet: boolean;
  "no-trunc": boolean;
  digests: boolean;
  format: string | undefined;
}): void {
  const clash = (["quiet", "no-trunc", "digests", "format"] as const).find(
    (name) => flags[name] !== false && flags[name] !== undefined,
  );
  if (clash !== undefined) throw new ExitError(1, `--${clash} is not yet supported with --tree`);
}
