import type { ImageSummary } from "../../spec/engine/types.gen.ts";
import type { ColumnTable } from "../render/table.ts";
import { goLocalTime, humanSize, shortId, timeAgo } from "../render/units.ts";
import { parseShortReference } from "../values/reference.ts";

/** One line of `images`: an image under one name, or a dangling one. */
export interface ImageRow {
  readonly image: ImageSummary;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

const none = "<none>";

/** A row per tag, or per tag and digest; images known by a digest only get a row too. */
export function imageRows(
  images: readonly ImageSummary[],
  options: { digests: boolean; needsDigest: boolean },
): ImageRow[] {
  return images.flatMap((image) => rowsOf(image, options));
}

function rowsOf(image: ImageSummary, { digests, needsDigest }: { digests: boolean; needsDigest: boolean }): ImageRow[] {
  // API 1.42 and before gives names to what has none.
  const tags = (image.RepoTags ?? []).filter((name) => name !== `${none}:${none}`);
  const digestNames = (image.RepoDigests ?? []).filter((name) => name !== `${none}@${none}`);
  if (tags.length === 0 && digestNames.length === 0) return [{ image, repository: none, tag: none, digest: none }];
  const byName = Map.groupBy(digestNames.flatMap(references), ({ name }) => name);
  const rows: ImageRow[] = [];
  const tagged = Map.groupBy(tags.flatMap(references), ({ name }) => name);
  for (const [repository, references] of tagged) {
    const known = needsDigest ? (byName.get(repository) ?? []) : [];
    byName.delete(repository);
    for (const { tag = none } of references) {
      if (known.length === 0) rows.push({ image, repository, tag, digest: none });
      for (const { digest = "" } of known) rows.push({ image, repository, tag, digest });
    }
  }
  for (const [repository, references] of byName) {
    if (digests) rows.push(...references.map(({ digest = "" }) => ({ image, repository, tag: none, digest })));
    else rows.push({ image, repository, tag: none, digest: "" });
  }
  return rows;
}

function references(text: string): ReturnType<typeof parseShortReference>[] {
  try {
    return [parseShortReference(text)];
  } catch {
    // docker leaves out a name it cannot read as well.
    return [];
  }
}

/** The columns of `images`, `system df -v` and their templates. */
export function imageColumns(options: { truncate: boolean }): ColumnTable<ImageRow> {
  const size = (bytes: number): string => (bytes === -1 ? "N/A" : humanSize(bytes));
  return {
    ID: { header: "IMAGE ID", value: ({ image }) => (options.truncate ? shortId(image.Id) : image.Id) },
    Repository: { header: "REPOSITORY", value: (row) => row.repository },
    Tag: { header: "TAG", value: (row) => row.tag },
    Digest: { header: "DIGEST", value: (row) => row.digest },
    CreatedSince: {
      header: "CREATED",
      value: ({ image }) => (image.Created <= 0 ? "N/A" : timeAgo(image.Created * 1000)),
    },
    CreatedAt: { header: "CREATED AT", value: ({ image }) => goLocalTime(image.Created * 1000) },
    Size: { header: "SIZE", value: ({ image }) => humanSize(image.Size, 3) },
    VirtualSize: { header: "SIZE", value: ({ image }) => humanSize(image.Size) },
    Containers: {
      header: "CONTAINERS",
      value: ({ image }) => (image.Containers === -1 ? "N/A" : String(image.Containers)),
    },
    SharedSize: { header: "SHARED SIZE", value: ({ image }) => size(image.SharedSize) },
    UniqueSize: {
      header: "UNIQUE SIZE",
      value: ({ image }) => (image.SharedSize === -1 ? "N/A" : humanSize(image.Size - image.SharedSize)),
    },
  };
}
