import { EngineError } from "../../base/errors.ts";
import type { PortOwner } from "./port-table.ts";

/**
 * The error of a port that cannot be had: Docker's text up to the bracket, and in it who has the port. `code` is the
 * errno name of the attempt, where there was one.
 */
export function explainConflict(
  conflict: {
    readonly hostIp: string;
    readonly port: number;
    readonly owner: PortOwner | undefined;
    readonly holder?: { readonly pid: number; readonly program: string } | undefined;
    readonly code?: string;
  },
  containerName: string,
  endpointId: string,
): EngineError {
  const { hostIp, port, owner, holder, code } = conflict;
  const host = hostIp.includes(":") ? `[${hostIp}]` : hostIp;
  const reason =
    code === "EADDRNOTAVAIL"
      ? "the host has no such address"
      : code === "EACCES"
        ? "permission denied"
        : "port is already allocated";
  const by =
    owner !== undefined
      ? ` (by container "${owner.containerName}")`
      : holder !== undefined
        ? ` (by process ${holder.pid}, ${holder.program})`
        : "";
  return new EngineError(
    "internal",
    `driver failed programming external connectivity on endpoint ${containerName} (${endpointId}): Bind for ${host}:${port} failed: ${reason}${by}`,
    {
      hostIp,
      port,
      ...(owner === undefined ? {} : { container: owner.containerName }),
      ...(holder === undefined ? {} : { pid: holder.pid }),
    },
  );
}
