import { EngineError } from "../../base/errors.ts";
import type { RestartPolicy } from "../../spec/engine/types.gen.ts";

/** `on-failure:3`. Names are judged by the daemon, as docker does. */
export function parseRestartPolicy(text: string): RestartPolicy {
  if (text === "") return { Name: "", MaximumRetryCount: 0 };
  const colon = text.indexOf(":");
  const invalid = (why: string): EngineError =>
    new EngineError("invalid", `invalid restart policy format: ${why}`, { value: text });
  if (colon === 0) throw invalid("no policy provided before colon");
  const count = colon < 0 ? "" : text.slice(colon + 1);
  if (!/^([+-]?\d+)?$/.test(count)) throw invalid("maximum retry count must be an integer");
  const name = colon < 0 ? text : text.slice(0, colon);
  return { Name: name as NonNullable<RestartPolicy["Name"]>, MaximumRetryCount: Number(count) };
}
