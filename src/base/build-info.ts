/** What this program is. The build puts these in; from source they are read as far as they are known. */
export const buildInfo = {
  version: process.env["BERTH_VERSION"] ?? "0.1.0",
  gitCommit: process.env["BERTH_COMMIT"] ?? "source",
  /** RFC 3339; empty when run from source. */
  buildTime: process.env["BERTH_BUILD_TIME"] ?? "",
} as const;
