import { ApiError, type EngineClient } from "../../client/engine-client.ts";

export interface ContainerPath {
  readonly isFolder: boolean;
  readonly isFile: boolean;
  readonly isLink: boolean;
  readonly linkTarget: string;
}

// bits of Go's fs.FileMode
const folderBit = 0x80000000;
const linkBit = 0x08000000;
const specialBits = 0x04000000 | 0x02000000 | 0x01000000; // device, named pipe, socket

/** What is at a path in a container (its last part is not followed). Undefined where there is nothing. */
export async function statContainerPath(
  engine: EngineClient,
  id: string,
  path: string,
): Promise<ContainerPath | undefined> {
  try {
    const { headers, body } = await engine.stream("ContainerArchiveInfo", { id, path });
    body.resume();
    return readPathStat(headers);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** Reads X-Docker-Container-Path-Stat: base64 of JSON. */
export function readPathStat(headers: Readonly<Record<string, string>>): ContainerPath {
  const text = Buffer.from(headers["x-docker-container-path-stat"] ?? "", "base64").toString();
  if (text === "") throw new Error("unable to decode container path stat header: empty");
  const stat = JSON.parse(text) as { mode?: number; linkTarget?: string };
  const mode = stat.mode ?? 0;
  const has = (bits: number): boolean => (mode & bits) !== 0;
  return {
    isFolder: has(folderBit),
    isLink: has(linkBit),
    isFile: !has(folderBit) && !has(linkBit) && !has(specialBits),
    linkTarget: stat.linkTarget ?? "",
  };
}
