import { expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TarReader } from "./tar-reader.ts";

test("members of odd sizes and long names are read alike with and without a recorder", async () => {
  const folder = await mkdtemp("/tmp/berth-tar-");
  const long = "n".repeat(180);
  for (const [name, size] of [
    ["one", 1],
    ["five", 513],
    [long, 1000],
  ] as const)
    await writeFile(join(folder, name), "x".repeat(size));
  const bytes = new Uint8Array(await Bun.$`tar -C ${folder} -cf - one five ${long}`.arrayBuffer());
  await rm(folder, { recursive: true });
  const read = (recorder?: { raw(part: Uint8Array): void }): unknown[] => {
    const chunks = [bytes];
    const reader = new TarReader({ next: () => chunks.shift() }, recorder);
    const found: unknown[] = [];
    for (let entry = reader.next(); entry; entry = reader.next()) found.push([entry.name.length, entry.sizeBytes]);
    return found;
  };
  const expected = [
    [3, 1],
    [4, 513],
    [180, 1000],
  ];
  expect(read({ raw: () => undefined })).toEqual(expected);
  expect(read()).toEqual(expected);
});
