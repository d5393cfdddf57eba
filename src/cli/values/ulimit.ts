import { EngineError } from "../../base/errors.ts";
import { ulimitNames } from "../../spec/ulimit-names.ts";
import { parseInteger } from "./integer.ts";

export interface Ulimit {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

/** go-units ParseUlimit: `nofile=1024[:2048]`, -1 for unlimited. */
export function parseUlimit(text: string): Ulimit {
  const invalid = (message: string): EngineError => new EngineError("invalid", message, { value: text });
  const equals = text.indexOf("=");
  if (equals < 0) throw invalid(`invalid ulimit argument: ${text}`);
  const Name = text.slice(0, equals);
  if (!ulimitNames.has(Name)) throw invalid(`invalid ulimit type: ${Name}`);
  const limits = text.slice(equals + 1).split(":");
  if (limits.length > 2)
    throw invalid(
      `too many limit value arguments - ${text.slice(equals + 1)}, can only have up to two, \`soft[:hard]\``,
    );
  const [softText = "", hardText] = limits;
  const given = hardText === undefined ? undefined : parseInteger(hardText);
  const Soft = parseInteger(softText);
  const Hard = given ?? Soft;
  if (Hard !== -1) {
    const rule = "ulimit soft limit must be less than or equal to hard limit";
    if (Soft === -1) throw invalid(`${rule}: soft: -1 (unlimited), hard: ${Hard}`);
    if (Soft > Hard) throw invalid(`${rule}: ${Soft} > ${Hard}`);
  }
  return { Name, Soft, Hard };
}
