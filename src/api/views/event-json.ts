import type { EngineEvent } from "../../events/bus.ts";
import type { Caller } from "../../spec/caller.ts";
import type { EventCaller } from "../../spec/engine/types.gen.ts";

/** An event as API < 1.52 has it, as a line of JSON. Nanoseconds do not fit a JavaScript number: written by hand. */
export function eventLine(event: EngineEvent): string {
  const { type, action, id, attributes, timeNs, caller } = event;
  const head: Record<string, unknown> = {};
  if (type === "container" || type === "image") {
    head["status"] = action;
    head["id"] = id;
    if (attributes["image"]) head["from"] = attributes["image"];
  }
  const sorted = Object.fromEntries(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
  const body = JSON.stringify({
    ...head,
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: sorted },
    scope: "local",
    time: Number(timeNs / 1_000_000_000n),
  });
  return `${body.slice(0, -1)},"timeNano":${timeNs},"Caller":${JSON.stringify(callerOf(caller))}}`;
}

/** Beyond Docker. */
const callerOf = ({ via, uid, gid, pid, subject }: Caller): EventCaller => ({
  Via: via,
  ...(uid !== undefined && { Uid: uid }),
  ...(gid !== undefined && { Gid: gid }),
  ...(pid !== undefined && { Pid: pid }),
  ...(subject !== undefined && { Subject: subject }),
});
