import { EngineError } from "../../base/errors.ts";
import { parseIp } from "../../base/ip.ts";
import type { PortBinding, PortMap } from "../../spec/engine/types.gen.ts";

export interface ParsedPorts {
  readonly exposed: Record<string, object>;
  readonly bindings: PortMap;
}

const invalid = (message: string): EngineError => new EngineError("invalid", message);

/** go-connections nat.ParsePortSpecs: `[[ip:][hostPort]:]containerPort[/proto]`, ranges, and docker's `target=80,published=8080`. */
export function parsePortSpecs(specs: readonly string[]): ParsedPorts {
  const exposed: Record<string, object> = {};
  const bindings: Record<string, PortBinding[]> = {};
  for (const spec of specs) {
    for (const { port, binding } of parsePortSpec(shortForm(spec))) {
      exposed[port] = {};
      (bindings[port] ??= []).push(binding);
    }
  }
  return { exposed, bindings };
}

/** `--expose 80-90/udp`: the ports, `80/udp`, ... */
export function parseExposed(spec: string): string[] {
  // docker's own text, which names the flag
  if (spec.includes(":")) throw invalid(`invalid port format for --expose: ${spec}`);
  const { proto, port } = splitProto(spec);
  const range = portRange(port);
  if (range === undefined) throw invalid(`invalid range format for --expose: ${port}, error: ${rangeError(port)}`);
  if (!isProto(proto.toLowerCase())) throw invalid(`invalid proto: ${proto}`);
  return Array.from(
    { length: range.end - range.start + 1 },
    (_, index) => `${range.start + index}/${proto.toLowerCase()}`,
  );
}

function rangeError(text: string): string {
  if (text === "") return "empty string specified for ports";
  const bad = text.split("-").find((part) => !/^\d+$/.test(part) || Number(part) > 65535);
  if (bad === undefined) return `invalid range specified for port: ${text}`;
  return `strconv.ParseUint: parsing "${bad}": ${/^\d+$/.test(bad) ? "value out of range" : "invalid syntax"}`;
}

function shortForm(spec: string): string {
  if (!spec.includes("=")) return spec;
  const fields = new Map([["protocol", "tcp"]]);
  for (const pair of spec.split(",")) {
    const equals = pair.indexOf("=");
    if (equals <= 0) throw invalid(`invalid publish opts format (should be name=value but got '${pair}')`);
    fields.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  return `${fields.get("published") ?? ""}:${fields.get("target") ?? ""}/${fields.get("protocol") ?? ""}`;
}

function parsePortSpec(raw: string): { port: string; binding: PortBinding }[] {
  const parts = raw.split(":");
  const containerText = parts.at(-1) ?? "";
  const hostText = parts.length > 1 ? (parts.at(-2) ?? "") : "";
  const address = unbracket(parts.slice(0, -2).join(":"));
  const { proto, port } = splitProto(containerText);
  // Go's net.ParseIP knows no zones.
  if (address !== "" && (parseIp(address) === undefined || address.includes("%")))
    throw invalid(`invalid IP address: ${address}`);
  if (port === "") throw invalid(`no port specified: ${raw}<empty>`);
  const container = portRange(port);
  if (container === undefined) throw invalid(`invalid containerPort: ${port}`);
  const host = hostText === "" ? undefined : portRange(hostText);
  if (hostText !== "" && host === undefined) throw invalid(`invalid hostPort: ${hostText}`);
  const count = container.end - container.start + 1;
  if (host !== undefined && host.end - host.start + 1 !== count && count > 1) {
    throw invalid(`invalid ranges specified for container and host Ports: ${port} and ${hostText}`);
  }
  if (!isProto(proto.toLowerCase())) throw invalid(`invalid proto: ${proto}`);
  return Array.from({ length: count }, (_, index) => {
    // One container port with a range on the host: the daemon picks a free one of the range.
    const pick = count === 1 && host !== undefined && host.end > host.start ? `${host.start}-${host.end}` : undefined;
    const hostPort = host === undefined ? "" : (pick ?? String(host.start + index));
    return {
      port: `${container.start + index}/${proto.toLowerCase()}`,
      binding: { HostIp: address, HostPort: hostPort },
    };
  });
}

/** `[::1]` without its brackets, judged as Go's net.SplitHostPort does. */
function unbracket(address: string): string {
  if (!address.startsWith("[")) return address;
  const end = address.indexOf("]");
  const bad = (why: string): EngineError => invalid(`invalid IP address ${address}: address ${address}:: ${why}`);
  if (end < 0) throw bad("missing ']' in address");
  if (end !== address.length - 1)
    throw bad(address[end + 1] === ":" ? "too many colons in address" : "missing port in address");
  return address.slice(1, end);
}

function splitProto(text: string): { proto: string; port: string } {
  const [port = "", proto = ""] = text.split("/");
  return port === "" ? { proto: "", port: "" } : { proto: proto === "" ? "tcp" : proto, port };
}

const isProto = (proto: string): boolean => proto === "tcp" || proto === "udp" || proto === "sctp";

/** nat.ParsePortRange; undefined for what is none. */
function portRange(text: string): { start: number; end: number } | undefined {
  const match = /^(\d+)(?:-(\d+)(?:-.*)?)?$/.exec(text);
  const start = Number(match?.[1] ?? Number.NaN);
  const end = Number(match?.[2] ?? start);
  return start <= 65535 && end <= 65535 && end >= start ? { start, end } : undefined;
}
