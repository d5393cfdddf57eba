import { familiarReference, parseReference, withDefaultTag } from "../../spec/reference.ts";
import type { Export } from "../build.ts";
import { writeDockerArchive, writeOciLayout } from "./archives.ts";
import type { ExportContext } from "./export-context.ts";
import { writeRootfs } from "./rootfs.ts";

/** Gives the result to everybody who wants it. The image is in the store before anything else is written. */
export async function exportResult(
  context: ExportContext,
  exports: readonly Export[],
): Promise<{ imageId: string; manifestDigest: string }> {
  const { request, images, configBytes } = context;
  let [imageId, manifestDigest] = ["", ""];
  for (const target of exports) {
    request.signal.throwIfAborted();
    switch (target.type) {
      case "image": {
        const references = target.references.map((name) => familiarReference(withDefaultTag(parseReference(name))));
        const image = await images.create({
          configBytes,
          references,
          caller: request.caller,
          signal: request.signal,
        });
        imageId = image.id;
        if (target.push) for (const reference of references) await push(context, reference);
        break;
      }
      case "docker":
        manifestDigest = await writeDockerArchive(context, target);
        break;
      case "oci":
        manifestDigest = await writeOciLayout(context, target);
        break;
      case "tar":
      case "local":
        await writeRootfs(context, target);
        break;
    }
  }
  return { imageId, manifestDigest };
}

async function push({ request, images }: ExportContext, reference: string): Promise<void> {
  const name = parseReference(reference);
  const credentials = await request.credentials(name.domain);
  const { tag = "" } = name;
  await images.push(familiarReference({ ...name, tag: undefined }), {
    tag,
    platform: "",
    ...(credentials && { credentials }),
    report: () => {},
    caller: request.caller,
    signal: request.signal,
  });
}
