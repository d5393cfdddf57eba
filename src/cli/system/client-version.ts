import { arch } from "node:os";
import { buildInfo } from "../../base/build-info.ts";

/** The newest API version the command line speaks. */
export const clientApiVersion = "1.51";

/** What `version` says of this program. */
export interface ClientVersion {
  readonly Version: string;
  readonly ApiVersion: string;
  readonly DefaultAPIVersion: string;
  readonly GitCommit: string;
  /** Docker's field; what runs this program is not Go. */
  readonly GoVersion: string;
  readonly Os: string;
  readonly Arch: string;
  readonly BuildTime: string;
  readonly Context: string;
}

const goArchitectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

/** `serverApiVersion` is the highest one of the daemon, when it answered. */
export function clientVersion(
  context: string,
  env: Readonly<Record<string, string | undefined>>,
  serverApiVersion?: string,
): ClientVersion {
  const wished = env["DOCKER_API_VERSION"] || clientApiVersion;
  return {
    Version: buildInfo.version,
    ApiVersion: serverApiVersion !== undefined && older(serverApiVersion, wished) ? serverApiVersion : wished,
    DefaultAPIVersion: clientApiVersion,
    GitCommit: buildInfo.gitCommit,
    GoVersion: `bun${Bun.version}`,
    Os: process.platform,
    Arch: goArchitectures[arch()] ?? arch(),
    BuildTime: buildInfo.buildTime,
    Context: context,
  };
}

function older(a: string, b: string): boolean {
  const [majorA = 0, minorA = 0] = a.split(".").map(Number);
  const [majorB = 0, minorB = 0] = b.split(".").map(Number);
  return majorA < majorB || (majorA === majorB && minorA < minorB);
}
