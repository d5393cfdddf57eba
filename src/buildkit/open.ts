import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Builder } from "../build/build.ts";
import { hostPlatform } from "../images/platform.ts";
import { buildSolver } from "./build-solver.ts";
import { Buildkit } from "./face.ts";
import { Sessions } from "./session/sessions.ts";

/** Opens BuildKit's interface over a builder. */
export function openBuildkit(options: {
  builder: Builder;
  /** For sockets, of this process alone. */
  workRoot: string;
  /** For results on their way, which may be large; emptied at each start of the daemon. */
  spoolRoot: string;
  version: string;
  /** Address of this host as containers of the default network see it. */
  hostGatewayIp: () => string;
}): Buildkit {
  const { builder, workRoot, spoolRoot, version, hostGatewayIp } = options;
  mkdirSync(workRoot, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(workRoot)) rmSync(join(workRoot, name), { recursive: true, force: true }); // of an earlier process
  const sessions = new Sessions();
  const builds = buildSolver({
    builder,
    sessions,
    workRoot,
    spoolRoot,
    version,
    hostGatewayIp,
    platforms: [hostPlatform],
  });
  return new Buildkit({ sessions, builds });
}
