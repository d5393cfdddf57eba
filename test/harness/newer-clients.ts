import { existsSync } from "node:fs";
import { join } from "node:path";

/**
 * A DOCKER_CONFIG with the plugins buildx and compose v2, which `npm test` unpacks from Debian's newer releases; empty
 * where they could not be had. To run one file by hand, run `npm test` once before.
 */
export const newerClients: string =
  process.env["BERTH_NEWER_CLIENTS"] ??
  [new URL("../../dist/newer-clients/config", import.meta.url).pathname].find((folder) =>
    existsSync(join(folder, "cli-plugins/docker-compose")),
  ) ??
  "";

/** The name of a test that needs them, with the reason where it cannot run. */
export const needsNewerClients = (name: string): string =>
  newerClients === "" ? `${name} (not run: buildx and compose v2 could not be had from Debian's archive)` : name;
