import type { Readable } from "node:stream";
import { EngineError } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { openRoot } from "../../kernel/openat2.ts";
import { named, type VolumeBooks } from "../books.ts";
import { draftVolume, makeVolume } from "../create.ts";
import { openContent } from "../mount.ts";
import { checkVolumeName } from "../volume-name.ts";
import type { Volume, VolumeContents } from "../volume.ts";
import { copyFolder, hasContent, replaceContent } from "./replace.ts";
import { findSnapshot, snapshotPath } from "./snapshots.ts";

/** Makes a volume with the content of another, or of its snapshot. */
export function copyVolume(
  books: VolumeBooks,
  name: string,
  request: Parameters<VolumeContents["copy"]>[1],
): Promise<Volume> {
  return named("copy", name, async () => {
    const source = books.get(name);
    const { snapshot, to, caller, signal } = request;
    if (snapshot !== undefined) findSnapshot(books, name, snapshot);
    using _work = books.working(name, "a copy");
    const options = request.options ?? ownOptions(source);
    const target = await makeFilled(
      books,
      { name: to, labels: request.labels ?? copiedLabels(source), options },
      async (folder) => {
        await using content = snapshot === undefined ? await openContent(books, source) : undefined;
        await copyFolder(books, content?.path ?? snapshotPath(books, name, snapshot ?? ""), folder, signal);
        fault("volume.copy.copied");
      },
    );
    books.tell("create", target, caller);
    books.tell("copy", target, caller, { from: name, ...(snapshot !== undefined && { snapshot }) });
    return target;
  });
}

/** A limit goes with a copy; a device or server stays where it is, and the copy is a folder. */
const ownOptions = ({ options }: Volume): Record<string, string> =>
  options["size"] !== undefined && options["device"] === undefined ? { size: options["size"] } : {};

const copiedLabels = ({ labels }: Volume): Record<string, string> => {
  const { "com.docker.volume.anonymous": _anonymous, ...others } = labels;
  return others;
};

/** Makes a local volume whose content is written before anybody sees it. */
async function makeFilled(
  books: VolumeBooks,
  wanted: { name: string; labels: Readonly<Record<string, string>>; options: Readonly<Record<string, string>> },
  fill: (folder: string) => Promise<void>,
): Promise<Volume> {
  const { name } = wanted;
  checkVolumeName(name);
  using _ = await books.lock(name);
  if (books.byName.has(name)) throw new EngineError("conflict", `the volume ${name} exists already`, { name });
  const driver = await books.driverOf({ driver: "local" });
  const volume = draftVolume(books, driver, { ...wanted, anonymous: false });
  await makeVolume(books, driver, volume, () => replaceContent(books, volume, fill));
  return books.get(name);
}

/** Fills a volume, made if there is none, from a tar. */
export function importVolume(
  books: VolumeBooks,
  name: string,
  tar: Readable,
  request: Parameters<VolumeContents["import"]>[2],
): Promise<Volume> {
  const { caller, signal, replace } = request;
  const unpack = async (folder: string): Promise<void> => {
    await books.options.archives.unpack(folder, tar, signal);
    fault("volume.import.unpacked");
  };
  return named("import", name, async () => {
    if (!books.byName.has(name)) {
      const made = await makeFilled(
        books,
        { name, labels: request.labels ?? {}, options: request.options ?? {} },
        unpack,
      );
      books.tell("create", made, caller);
      books.tell("import", made, caller);
      return made;
    }
    if (request.labels !== undefined || request.options !== undefined)
      throw new EngineError("conflict", "the volume exists already: labels and options are for a new one", { name });
    using _lock = await books.lock(name);
    const volume = books.get(name);
    books.refuseWhileWorking("import", name);
    const users = books.active.containers(name);
    if (users.length > 0)
      throw new EngineError("conflict", `volume is in use - [${users.join(", ")}]`, { name, users });
    using _work = books.working(name, "an import");
    if (!replace && (await filled(books, volume)))
      throw new EngineError("conflict", "the volume has content: say that it shall be replaced", { name });
    await replaceContent(books, volume, unpack);
    books.tell("import", volume, caller);
    return volume;
  });
}

async function filled(books: VolumeBooks, volume: Volume): Promise<boolean> {
  await using content = await openContent(books, volume);
  return hasContent(content.path);
}

/** A tar of the content; the volume stays until it is read or destroyed. */
export function exportVolume(
  books: VolumeBooks,
  name: string,
  { snapshot, caller }: Parameters<VolumeContents["export"]>[1],
): Promise<Readable> {
  return named("export", name, async () => {
    const volume = books.get(name);
    if (snapshot !== undefined) findSnapshot(books, name, snapshot);
    await using undo = new AsyncDisposableStack();
    undo.use(books.working(name, "an export"));
    const content = snapshot === undefined ? undo.use(await openContent(books, volume)) : undefined;
    const { tar, done } = books.options.archives.pack(
      openRoot(content?.path ?? snapshotPath(books, name, snapshot ?? "")),
    );
    const held = undo.move();
    void done
      .catch(() => undefined) // the reader has it from the stream
      .then(() => held.disposeAsync())
      .catch((error: unknown) =>
        books.options.log("warn", "a volume stays mounted after its export", { name, error: String(error) }),
      );
    books.tell("export", volume, caller, snapshot === undefined ? {} : { snapshot });
    return tar;
  });
}
