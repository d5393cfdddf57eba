import { newId } from "../../base/id.ts";
import { treeTar } from "../../snapshots/tree/tree-tar.ts";
import type { Export } from "../build.ts";
import { WorkFolder } from "../ops/work-folder.ts";
import type { ExportContext } from "./export-context.ts";

/** The result's files as one plain tar, names in byte order. */
export async function writeRootfs(
  { solved, layers, workRoot, request }: ExportContext,
  target: Export & { readonly write: (bytes: Uint8Array) => void | Promise<void> },
): Promise<void> {
  await using work = await WorkFolder.make(workRoot, newId());
  const root = await work.folder();
  await layers.view(
    solved.layers.map(({ chainId }) => chainId),
    root,
  );
  try {
    for await (const bytes of treeTar(root, { whiteouts: "none", withRoot: false, signal: request.signal }))
      await target.write(bytes as Buffer);
  } finally {
    await layers.unmount(root);
  }
}
