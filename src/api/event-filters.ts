import type { EngineEvent } from "../events/bus.ts";
import { any, type Filters, labelsMatch } from "./filters.ts";

export const eventFilterKeys = [
  "config",
  "container",
  "daemon",
  "event",
  "image",
  "label",
  "network",
  "node",
  "plugin",
  "scope",
  "secret",
  "service",
  "type",
  "volume",
] as const;

/** Actions that carry more than their name: their filter is a prefix (engine-api.md 1.9). */
const prefixActions = ["health_status", "exec_create", "exec_start"];

/** Whether an event passes. Objects match by prefix of their id or name. */
export function eventPasses(filters: Filters, event: EngineEvent): boolean {
  const { type, action, id, attributes } = event;
  const object = (key: "container" | "daemon" | "plugin" | "volume" | "network"): boolean =>
    any(
      filters,
      key,
      (value) =>
        (type === key && (id.startsWith(value) || (attributes["name"] ?? "").startsWith(value))) ||
        attributes[key]?.startsWith(value) === true,
    );
  return (
    any(filters, "type", (value) => type === value) &&
    any(
      filters,
      "event",
      (value) =>
        action === value ||
        (prefixActions.some((prefix) => value.startsWith(prefix) || value === prefix) && action.startsWith(value)),
    ) &&
    any(filters, "scope", (value) => value === "local") &&
    any(filters, "image", (value) => imageMatches(event, value)) &&
    object("container") &&
    object("daemon") &&
    object("plugin") &&
    object("volume") &&
    object("network") &&
    (["config", "node", "secret", "service"] as const).every((key) => any(filters, key, () => false)) &&
    labelsMatch(filters, attributes)
  );
}

/** By id or name, the event's with or without tag (moby parity); containers by the image they were made from. */
function imageMatches({ type, id, attributes }: EngineEvent, value: string): boolean {
  const names =
    type === "image" ? [id, attributes["name"] ?? ""] : type === "container" ? [attributes["image"] ?? ""] : [];
  const bare = (name: string): string => name.replace(/@.*$/, "").replace(/:[^/:]*$/, "");
  return names.some((name) => name !== "" && (name === value || bare(name) === value));
}
