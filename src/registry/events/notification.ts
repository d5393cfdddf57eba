import { randomUUID } from "node:crypto";
import type { Happening } from "./happening.ts";

/** The format of Docker's registry: receivers of its notifications understand ours. */
export const notificationType = "application/vnd.docker.distribution.events.v1+json";

/** One event as receivers get it. */
export function notification(
  { action, caller, repository, target, fromRepository }: Happening,
  source: { address: string; instance: string },
): object {
  const { digest, mediaType, sizeBytes, tag } = target ?? {};
  const kind = mediaType === undefined || mediaType === "application/octet-stream" ? "blobs" : "manifests";
  return {
    id: randomUUID(),
    timestamp: new Date().toISOString(),
    action,
    target: {
      ...(mediaType !== undefined && { mediaType }),
      ...(sizeBytes !== undefined && { size: sizeBytes, length: sizeBytes }),
      ...(digest !== undefined && { digest, url: `/v2/${repository}/${kind}/${digest}` }),
      repository,
      ...(tag !== undefined && { tag }),
      ...(fromRepository !== undefined && { fromRepository }),
    },
    request: {
      id: caller.requestId,
      addr: caller.address,
      host: caller.host,
      method: caller.method,
      useragent: caller.userAgent,
    },
    actor: caller.name === "" ? {} : { name: caller.name },
    source: { addr: source.address, instanceID: source.instance },
  };
}
