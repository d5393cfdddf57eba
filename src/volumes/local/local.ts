import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { isMounted, unmount } from "../../kernel/mount.ts";
import { projectOf, projectUsage, setProjectLimit } from "../../kernel/project-quota.ts";
import type { VolumeDriver, VolumePlace } from "../driver.ts";
import { limitOf, parseSize } from "../size.ts";
import { hasImage, imageContent, makeLimited, mountImage, resizeImage, unmountImage } from "./limit.ts";
import { mountNamed } from "./mount-named.ts";

const known = ["type", "o", "device", "size"];
const contentOf = ({ folder }: VolumePlace): string => join(folder, "_data");
const named = ({ options }: VolumePlace): boolean => "device" in options;

/** Folders of this host, with a limit if wanted, or whatever mount(2) makes of `type`, `device` and `o`. */
export const local: VolumeDriver = {
  name: "local",
  scope: "local",

  validate(options) {
    for (const name of Object.keys(options)) {
      if (!known.includes(name))
        throw new EngineError("invalid", `invalid option: ${JSON.stringify(name)}`, { option: name });
    }
    const { size, ...others } = options;
    if (size !== undefined) {
      parseSize(size);
      if (Object.keys(others).length > 0)
        throw new EngineError(
          "invalid",
          `option "size" cannot be used together with "${Object.keys(others).join('", "')}": a tmpfs takes it in "o"`,
          { option: "size" },
        );
    }
    if (Object.keys(others).length === 0) return;
    for (const name of ["device", "type"]) {
      if (!options[name])
        throw new EngineError("invalid", `missing required option: ${JSON.stringify(name)}`, { option: name });
    }
  },

  async create(place) {
    const content = contentOf(place);
    await mkdir(content, { recursive: true, mode: 0o755 });
    const limitBytes = limitOf(place.options);
    if (limitBytes > 0) await makeLimited(place, content, limitBytes);
  },

  async remove(place) {
    await this.unmount(place, "", { last: true });
  },

  path: (place) => (hasImage(place) ? imageContent(place) : contentOf(place)),

  mounts: (place) => named(place) || hasImage(place),

  async mount(place) {
    const content = contentOf(place);
    if (hasImage(place)) return mountImage(place);
    if (named(place) && !isMounted(content)) await mountNamed(content, place.options);
    return content;
  },

  // oxlint-disable-next-line require-await
  async unmount(place, _user, { last }) {
    if (!last) return;
    if (existsSync(join(place.folder, "fs"))) unmountImage(place);
    while (named(place) && unmount(contentOf(place), { detach: true })) {
      // mounted more than once, by a daemon that was cut
    }
  },

  beside: (place) => (named(place) ? undefined : hasImage(place) ? join(place.folder, "fs") : place.folder),

  async resize(place, limitBytes) {
    if (named(place))
      throw new EngineError("invalid", "the size of a volume with a device of its own is not ours to change", {
        name: place.name,
      });
    if (hasImage(place)) {
      if (limitBytes === 0)
        throw new EngineError("invalid", "a volume in a disk image always has a size", { name: place.name });
      return resizeImage(place, limitBytes);
    }
    const content = contentOf(place);
    const project = projectOf(content);
    if (project !== 0 && projectUsage(content, project)) return setProjectLimit(content, project, limitBytes);
    throw new EngineError("not-implemented", "the volume was made without a size: copy it into one that has a size", {
      name: place.name,
    });
  },
};
