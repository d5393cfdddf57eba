import type { StorageOptions } from "../options.ts";
import type { BlobDriver } from "./driver.ts";

type Open<Name extends string> = (
  options: Extract<StorageOptions, { driver: Name }>,
  folder: string,
) => Promise<BlobDriver>;

/** Where blobs can be. A driver's module is loaded when it is used. */
export const blobDrivers = {
  filesystem: (_options, folder) => import("./filesystem/filesystem.ts").then((m) => m.filesystemDriver(folder)),
  s3: (options) => import("./s3/s3.ts").then((m) => m.s3Driver(options)),
} satisfies { readonly [Name in StorageOptions["driver"]]: Open<Name> };

/** Opens the driver of the settings; `folder` is where one that uses files may have them. */
export function openDriver(options: StorageOptions, folder: string): Promise<BlobDriver> {
  return options.driver === "s3" ? blobDrivers.s3(options) : blobDrivers.filesystem(options, folder);
}
